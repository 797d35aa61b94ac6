"""The freshness ledger: what is derived, whether it is fresh, and why not."""
