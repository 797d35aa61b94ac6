"""Sessions in Postgres whose process has stalled: ended, so that their locks go to others."""

from workers.core.queries import query
from workers.core.stores import APPLICATION, STALLED_TRANSACTION_MS, connection

END_STALLED = query("jobs/stalled_sessions.end_stalled")


def end_stalled_sessions(stalled_ms: int = STALLED_TRANSACTION_MS) -> int:
    """End transactions in which a process has said nothing for so many milliseconds.

    Mostly the server does it by itself (`workers/core/stores.py` tells it to); here are the cases
    in which it does not. The process, should it wake up, finds its connection broken.

    Returns:
        How many there were.
    """
    with connection() as conn:
        ended = conn.execute(
            END_STALLED, {"application": APPLICATION, "stalled_s": stalled_ms / 1000}
        ).fetchall()
    return len(ended)
