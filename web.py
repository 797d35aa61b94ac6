"""The web process: uvicorn, which ends with exit code 0 once SIGTERM has been obeyed.

With WEB_CONCURRENCY above 1 it only starts so many processes that serve, and ends them.
"""

import gc
import importlib
import os
import signal
import sys
from types import FrameType

import uvicorn

from workers.core.settings import settings


def main() -> None:
    """Serve the app with uvicorn's options from the command line until SIGTERM or SIGINT."""
    settings()  # what is wrong with them ends all of it, and not one process after the other
    if int(os.environ.get("WEB_CONCURRENCY", "1")) <= 1:
        prepare()
    try:
        uvicorn.main(["api:app", *sys.argv[1:]])
    finally:
        # Python ends with the default handlers, and a host may send more than one.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def prepare() -> None:
    """Be ready to serve, or to end before that."""
    signal.signal(signal.SIGTERM, end)
    importlib.import_module("api")
    # What is here now stays: each full collection that goes over it, too, holds up every request.
    gc.collect()
    gc.freeze()


def end(_number: int, _frame: FrameType | None) -> None:
    """Uvicorn shuts down first, and then sends itself the signal again for whoever had it before.

    By default that would kill the process, which looks like a failure to its supervisor.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":  # one of several, which imports this file before it serves
    prepare()
