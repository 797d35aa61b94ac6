"""Facts on their way in: events, CSV files, and what they make stale."""
