"""The console: pages, forms, sessions, alerts, plots."""
