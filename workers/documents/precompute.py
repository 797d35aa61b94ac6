"""`python -m workers.documents.precompute MODE`: a run over the documents in this process.

MODE is all, incremental, stale or cleanup. Workers of the queue help, if there are any. If this
is interrupted or killed, they go on with the run, or `--resume RUN_ID` does.
"""

import argparse
import sys
import time
from uuid import UUID

from workers.core.boot import open_process
from workers.core.errors import KinfoldError, RunActiveError
from workers.core.logs import configure_logging
from workers.documents.batch import precompute_batch
from workers.documents.batches import count_batches
from workers.documents.cleanup import cleanup_documents
from workers.documents.plan import begin_documents_run, plan_documents
from workers.documents.source import check_source
from workers.jobs.runs import Run, RunKind, read_run, resume_run

MODES = ("all", "incremental", "stale", "cleanup")
BAR_WIDTH = 30
WAIT_S = 0.5


def work_run(run_id: UUID) -> Run:
    """Work on a run until it has ended, and show how it goes."""
    run = read_run(run_id)
    if run.kind is RunKind.documents_cleanup:
        cleanup_documents(run_id)
        return read_run(run_id)
    while (run := read_run(run_id)).state in ("queued", "running"):
        more = plan_documents(run_id).more
        worked = precompute_batch(run_id) is not None
        _show(read_run(run_id))
        if not more and not worked:
            # Another worker has what is left, or it has to wait.
            time.sleep(WAIT_S)
    return run


def _show(run: Run) -> None:
    full = round(run.progress * BAR_WIDTH)
    rate = f"{run.rate_per_s:,.0f}/s" if run.rate_per_s else ""
    eta = f"{run.eta_s:,.0f} s left" if run.eta_s else ""
    waits = f"  {run.error}" if run.error else ""
    line = f"[{'#' * full:<{BAR_WIDTH}}] {run.done:,}/{run.total:,} {rate} {eta}{waits}"
    # On a terminal one line that moves, in a log one line each.
    start, end = ("\r\x1b[K", "") if sys.stdout.isatty() else ("", "\n")
    print(f"{start}{line}", end=end, flush=True)  # noqa: T201  # a command speaks on its terminal


def main() -> int:
    """Work on a run; 0 if it is done, 1 if it has ended otherwise, 2 if it could not begin."""
    parser = argparse.ArgumentParser(description="Compute the documents' vectors.")
    parser.add_argument("mode", choices=MODES, nargs="?")
    parser.add_argument("--resume", type=UUID, metavar="RUN_ID", help="go on with this run")
    arguments = parser.parse_args()
    if (arguments.mode is None) == (arguments.resume is None):
        parser.error("give a mode, or a run to resume")
    configure_logging(sys.stderr)
    with open_process("command"):
        return _main(arguments)


def _main(arguments: argparse.Namespace) -> int:
    try:
        check_source()
        run_id = arguments.resume
        if run_id is None:
            run_id = begin_documents_run(RunKind(f"documents_{arguments.mode}"))
        elif read_run(run_id).state in ("failed", "cancelled"):
            resume_run(run_id)
        run = work_run(run_id)
    except RunActiveError as error:
        print(f"{error}: {error.run_id}", file=sys.stderr)  # noqa: T201
        return 2
    except KinfoldError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    finally:
        if sys.stdout.isatty():
            print()  # noqa: T201
    counts = count_batches(run_id)
    print(  # noqa: T201
        f"run {run_id} is {run.state}: {counts.documents:,} documents,"
        f" {counts.embedded:,} embedded, {counts.unchanged:,} unchanged,"
        f" {counts.failed:,} failed, {counts.deleted:,} deleted"
    )
    if run.error:
        print(run.error, file=sys.stderr)  # noqa: T201
    return 0 if run.state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
