"""The work: plain functions that return values and know neither the queue nor HTTP."""
