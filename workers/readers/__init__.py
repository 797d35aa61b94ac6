"""Readers without an account: lists of what they have read, matched, and what they might read."""
