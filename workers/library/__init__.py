"""What the library's pages show: facts of children and books joined, for people to read."""
