"""Which TCP port to use."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from embedded.errors import EmbeddedError

DEFAULT_WEB_PORT = 8000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen on it, on this machine's loopback and on every address."""
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - a probe that never listens
        with socket.socket() as probe:
            # As servers do: connections of an earlier run that linger do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError):  # in use, not allowed, or no port number
                return False
    return True


@contextmanager
def claimed_web_port(wanted: str | None) -> Iterator[int]:
    """The port named by `wanted`, else 8000 if free, else any free one; claimed for the block.

    The web process listens on it only after the migrations. Until then a UDP socket of the same
    number keeps a second checkout that starts at the same moment from choosing it too.
    Raises EmbeddedError if the wanted one cannot be had.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as claim:
        if wanted:
            if not wanted.isdecimal() or not _claimed(claim, int(wanted)):
                raise EmbeddedError(f"PORT is {wanted}, which is not a free port.")
            yield int(wanted)
            return
        port = DEFAULT_WEB_PORT
        while not _claimed(claim, port):
            port = free_port()
        yield port


def _claimed(claim: socket.socket, port: int) -> bool:
    if not is_free(port):
        return False
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
