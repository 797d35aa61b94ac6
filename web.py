"""The web process: uvicorn, which ends with exit code 0 once SIGTERM has been obeyed."""

import gc
import importlib
import signal
import sys
from types import FrameType

import uvicorn


def main() -> None:
    """Serve the app with uvicorn's options from the command line until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, end)
    importlib.import_module("api")
    # What is here now stays: each full collection that goes over it, too, holds up every request.
    gc.collect()
    gc.freeze()
    uvicorn.main(["api:app", *sys.argv[1:]])


def end(_number: int, _frame: FrameType | None) -> None:
    """Uvicorn shuts down first, and then sends itself the signal again for whoever had it before.

    By default that would kill the process, which looks like a failure to its supervisor.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    main()
