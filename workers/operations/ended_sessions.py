"""Sessions of the console that somebody has logged out of, and whose cookies are still signed."""

from hashlib import sha256

from workers.core.queries import query
from workers.core.stores import connection

END = query("operations/ended_sessions.end_session")
HAS_ENDED = query("operations/ended_sessions.has_ended")


def end(token: str) -> None:
    """End a session: from here on a cookie with this token is worth nothing."""
    with connection() as conn:
        conn.execute(END, {"digest": _digest(token)})


def has_ended(token: str) -> bool:
    """Say whether somebody logged out of the session with this token."""
    with connection() as conn:
        return conn.execute(HAS_ENDED, {"digest": _digest(token)}).fetchone() == (True,)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
