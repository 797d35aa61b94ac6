"""Load the sample library, once: only into an empty one."""

from pathlib import Path

import structlog

from workers.freshness import resend_stale
from workers.import_csv import Table, import_csv
from workers.logs import configure_logging
from workers.queries import query
from workers.stores import close_stores, connection, open_stores

IS_EMPTY = query("load_sample.is_empty")
SAMPLE = Path(__file__).parent.parent / "sample"

log = structlog.get_logger()


def load_sample() -> bool:
    """Import sample/*.csv unless there are students or books; returns whether it did."""
    with connection() as conn:
        if conn.execute(IS_EMPTY).fetchone() != (True,):
            log.info("sample_skipped", reason="the library is not empty")
            return False
    for table in Table:
        report = import_csv(table, (SAMPLE / f"{table}.csv").read_bytes())
        log.info("sample_imported", table=table, rows=report.rows, failed=report.failed)
    resend_stale()
    return True


if __name__ == "__main__":
    configure_logging()
    open_stores()
    load_sample()
    close_stores()
