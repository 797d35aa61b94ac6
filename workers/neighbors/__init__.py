"""The neighbour graph of students: search, top-k lists, rebuild, check."""
