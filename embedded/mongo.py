"""The embedded stand-in for MongoDB: nx-27017's wire protocol on SQLite, data in `<home>/mongo`.

It knows no passwords: whoever can reach this machine's loopback can read the sample documents.
"""

import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from embedded.binaries import mongo_module
from embedded.children import spawn
from embedded.errors import ServiceFailedError
from embedded.interrupts import Pause
from embedded.ports import free_port
from embedded.private_files import fresh_log
from embedded.service import Service, stop_services

START_SECONDS = 60.0
PORT_TRIES = 3


def start_mongo(home: Path, lock_fd: int, *, pause: Pause = time.sleep) -> Service:
    """Starts it and returns when it answers a ping.

    The caller holds the home's lock. Raises ServiceFailedError, and whatever `pause` raises.
    """
    data = home / "mongo"
    data.mkdir(mode=0o700, exist_ok=True)
    for attempt in range(1, PORT_TRIES + 1):
        try:
            return _start(home, data, lock_fd, pause=pause)
        except ServiceFailedError as failed:
            if attempt == PORT_TRIES or "address already in use" not in str(failed):
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _start(home: Path, data: Path, lock_fd: int, *, pause: Pause) -> Service:
    port = free_port()
    log = home / "mongo.log"
    with fresh_log(log) as output:
        process = spawn(
            [
                *(sys.executable, "-m", mongo_module()),
                *("--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)),
                # It logs to its standard output too, which is the file that we keep.
                *("--log-file", os.devnull, "--pid-file", str(data / "pid")),
            ],
            env=os.environ,
            cwd=home,
            stdout=output,
            lock_fd=lock_fd,
        )
    service = Service("mongo", f"mongodb://127.0.0.1:{port}/", process, signal.SIGTERM, log)
    with ExitStack() as on_failure:
        on_failure.callback(stop_services, [service])
        _wait(service, pause)
        on_failure.pop_all()
    return service


def _wait(service: Service, pause: Pause) -> None:
    deadline = time.monotonic() + START_SECONDS
    client: MongoClient[dict[str, object]] = MongoClient(
        service.url, serverSelectionTimeoutMS=200, connect=False
    )
    with client:
        while True:
            service.check()
            try:
                client.admin.command("ping")
            except PyMongoError as error:
                if time.monotonic() > deadline:
                    reason = f"did not answer within {START_SECONDS:.0f} s"
                    raise ServiceFailedError("mongo", reason, service.log) from error
            else:
                return
            pause(0.05)
