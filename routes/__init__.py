"""Handlers, one file per resource: HTTP in and out only."""
