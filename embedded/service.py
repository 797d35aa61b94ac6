"""A running Postgres, Redis or stand-in for MongoDB."""

import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.children import stop_groups
from embedded.errors import ServiceFailedError


@dataclass(frozen=True)
class Service:
    """`url` holds the password: print `masked(url)`. `stop_signal` asks for a quick clean end."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals
    log: Path

    def check(self) -> None:
        """Raises ServiceFailedError if it has ended."""
        code = self.process.poll()
        if code is not None:
            raise ServiceFailedError(self.name, f"ended with exit code {code}", self.log)


def masked(url: str) -> str:
    """postgresql://me:secret@host/db → postgresql://me:***@host/db"""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def stop_services(services: Sequence[Service]) -> None:
    """Asks all to end, waits for all, kills what is left."""
    stop_groups([(service.process, service.stop_signal) for service in services])
