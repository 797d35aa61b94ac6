"""The secret that signs the console's cookies: made by a migration, one for all processes."""

from workers.core.process import per_process
from workers.core.queries import query
from workers.core.stores import connection

READ = query("operations/session_secret.read_secret")


@per_process
def session_secret() -> str:
    """Read the secret that signs sessions, once per process."""
    with connection() as conn:
        row = conn.execute(READ).fetchone()
    if row is None:
        raise RuntimeError("there is no session secret: has the release line migrated?")
    secret: str = row[0]
    return secret
