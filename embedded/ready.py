"""Says once that the product can be used."""

import http.client
import json
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.5
TIMEOUT_SECONDS = 2.0
FRESH_WITHIN_SECONDS = 60.0


class ReadyLine:
    """Waits for /health/ready to answer 200, then for /freshness to show nothing stale.

    The second wait ends after 60 s: a first run may have much to compute, and the product
    answers meanwhile.
    """

    def __init__(self, port: int, say: Callable[[str], None]) -> None:
        self._port = port
        self._say = say
        self._next_look = 0.0
        self._healthy_since: float | None = None
        self._said = False

    def look(self) -> None:
        """Call it often: it asks twice a second and blocks for 4 s at most."""
        now = time.monotonic()
        if self._said or now < self._next_look:
            return
        self._next_look = now + INTERVAL_SECONDS
        if self._healthy_since is None:
            if _ask(self._port, "/health/ready")[0] != http.HTTPStatus.OK:
                return
            self._healthy_since = now
        if now < self._healthy_since + FRESH_WITHIN_SECONDS and not _nothing_stale(self._port):
            return
        self._say(
            f"kinfold is ready: http://127.0.0.1:{self._port}  (docs at /docs, "
            "Ctrl-C stops everything)"
        )
        self._said = True


def _nothing_stale(port: int) -> bool:
    """Also true where API_KEYS keep us from asking."""
    status, body = _ask(port, "/freshness")
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return True
    return status == http.HTTPStatus.OK and all(
        kind["stale"] == 0 for kind in json.loads(body)["kinds"]
    )


def _ask(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; status 0 when there is no answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
    return response.status, body
