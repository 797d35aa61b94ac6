"""What a worker is called in the ledger and among the heartbeats."""

import os
import socket
import threading


def process_name() -> str:
    """Name this process: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def worker_name() -> str:
    """Name this thread of this process."""
    return f"{process_name()}:{threading.get_native_id()}"
