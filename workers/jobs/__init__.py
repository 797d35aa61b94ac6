"""Work that somebody holds for a while: queues, leases, runs, the clock's firings, heartbeats."""
