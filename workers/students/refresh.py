"""Nightly: every student is looked at again, so that nothing stays wrong unnoticed.

Profiles get today's figures; texts do not depend on the day, so a student without news costs no
provider input. A changed embedding model reaches everyone this way at the latest.
"""

from workers.core.vocabulary import Kind
from workers.ledger.mark_all import mark_all_stale


def refresh_students() -> int:
    """Raise every student's embedding that is not dead; the reconciler sends the work.

    Returns:
        The number of students raised.
    """
    return mark_all_stale(Kind.student_embedding)
