"""Everything at once: a steady stream of events, and every few seconds something dies."""
