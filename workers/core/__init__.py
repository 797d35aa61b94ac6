"""What everything stands on: settings, errors, stores, named queries, logs, metrics."""
