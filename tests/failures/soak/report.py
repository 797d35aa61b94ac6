"""What a soak has found, as a table, and the promises that it has seen broken."""

import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.failures.soak.facts import Facts, differences
from tests.failures.soak.reader import Reader
from tests.failures.soak.teller import Teller
from tests.failures.truth import assert_derived_is_right, stored_vectors
from tests.failures.whole import half_written, take_snapshot
from tests.graph import recall
from tests.library import rows
from workers.core.stores import connection
from workers.jobs.lease import LOST_WORKER


@dataclass
class Report:
    """Figures in the order of the table; `broken` are the promises that did not hold."""

    figures: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def expect_none(self, promise: str, found: Sequence[object]) -> None:
        """Each thing found breaks the promise."""
        self.figures[promise] = len(found)
        if found:
            shown = "".join(f"\n    {thing}" for thing in found[:10])
            self.broken.append(f"{promise}: {len(found)}{shown}")

    def counts(self, name: str, counter: Counter[str]) -> None:
        """A figure with its parts below it."""
        self.figures[name] = sum(counter.values())
        for part, count in sorted(counter.items()):
            self.figures[f"  {part}"] = count

    def __str__(self) -> str:
        width = max(map(len, self.figures))
        lines = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        if self.broken:
            return "\n".join([*lines, "", "BROKEN", *(f"- {promise}" for promise in self.broken)])
        return "\n".join([*lines, "", "Every promise held."])


def report_stream(report: Report, tellers: Sequence[Teller]) -> None:
    """What was sent, and whether all of it is stored."""
    accepted = [event_id for teller in tellers for event_id in teller.event_ids]
    logged = {
        event_id
        # A rebuild of the graph is an event, too, but nobody tells it.
        for (event_id,) in rows(
            "SELECT event_id FROM events WHERE event_type NOT LIKE 'neighbors%%'"
        )
    }
    facts = Facts()
    answers: Counter[str] = Counter()
    for teller in tellers:
        facts = facts.join(teller.story.facts)
        answers += teller.answers
    report.figures["events accepted"] = len(accepted)
    report.figures["duplicates sent and recognized"] = sum(t.duplicates for t in tellers)
    report.counts("answers to POST /events", answers)
    lost = [f"event {event_id}" for event_id in accepted if event_id not in logged]
    report.expect_none("lost", lost + differences(facts))
    strange = logged - set(accepted)
    report.expect_none("stored and never answered with 202", sorted(strange))
    report.expect_none("wrong answers to events", [b for t in tellers for b in t.broken])


def report_ledger(report: Report) -> None:
    """Every key is fresh, or dead with a reason."""
    ((total, fresh),) = rows(
        "SELECT count(*), count(*) FILTER (WHERE wanted = done) FROM freshness"
    )
    report.figures["keys"] = total
    report.figures["keys fresh"] = fresh
    dead = rows("SELECT kind, key, error FROM freshness WHERE dead_at IS NOT NULL")
    report.counts("keys dead", Counter(error.split("\n")[0][:80] for _, _, error in dead if error))
    report.expect_none("keys dead without a reason", [row for row in dead if not row[2]])
    report.expect_none(
        "keys neither fresh nor dead",
        rows("SELECT to_jsonb(f) FROM freshness f WHERE wanted > done AND dead_at IS NULL"),
    )
    report.expect_none(
        "runs that did not end",
        rows("SELECT run_id, kind FROM runs WHERE state IN ('queued', 'running')"),
    )
    attempts = rows(
        "SELECT CASE WHEN error IS NULL THEN 'done' WHEN starts_with(error, %s)"
        " THEN 'worker lost' ELSE 'failed or put off' END, count(*) FROM attempts GROUP BY 1",
        LOST_WORKER,
    )
    report.counts("attempts at keys", Counter(dict(attempts)))


def report_revived(report: Report) -> None:
    """After a recompute of every dead student was asked for."""
    report.expect_none(
        "students dead after a recompute",
        rows("SELECT key, error FROM freshness WHERE kind = 'student_embedding' AND wanted > done"),
    )


def report_derived(report: Report, reader: Reader) -> None:
    """What is derived equals what the facts give, now and whenever the reader looked."""
    wrong: list[str] = []
    try:
        assert_derived_is_right()
    except AssertionError:
        wrong.append(traceback.format_exc())  # outside of pytest the error has no words
    report.expect_none("derived data that is not that of the facts", wrong)
    vectors = stored_vectors()
    report.figures["students with a vector"] = len(vectors)
    report.figures["graph recall against exact"] = f"{recall(vectors):.4f}"
    with connection() as conn:
        at_the_end = half_written(take_snapshot(conn))
    report.figures["looks of the reader"] = reader.looks
    report.expect_none("half-written lists and vectors seen", [*reader.half_written, *at_the_end])
    report.expect_none("wrong answers to the reader", reader.broken)
    for kind, longest_s in sorted(reader.longest_s.items()):
        report.figures[f"longest staleness, {kind}"] = f"{longest_s:.1f} s"
