"""What operators need across rooms: migrations, figures over time, one key's whole story."""
