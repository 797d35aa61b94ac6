"""Leases: what a worker may write to, until when, and what is said of one that was lost."""

# Of a worker whose lease ran out before it said how the job went: it was killed, or it stalled.
LOST_WORKER = "the worker was lost during the job"
