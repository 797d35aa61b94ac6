"""What a person should look at now, in a sentence each, with the page that helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from routes.api.queues import QueueOut
from routes.console.pages import duration
from workers.books.contract import RecommendationContract
from workers.core.stores import ping_redis
from workers.core.vocabulary import Queue
from workers.jobs.heartbeats import WorkerProcess
from workers.jobs.schedules import Schedule
from workers.ledger.contract import KindFreshness
from workers.ledger.watch import broken_since

# Seconds that a queue's oldest message may wait: as long as a key may be stale by default.
STUCK_S = 60.0


@dataclass(frozen=True)
class Alert:
    """One thing to look at; `path` is the page that helps."""

    text: str
    path: str


def alerts(
    kinds: Sequence[KindFreshness],
    queues: Sequence[QueueOut],
    workers: Sequence[WorkerProcess],
    schedules: Sequence[Schedule],
    recommendations: RecommendationContract,
) -> list[Alert]:
    """List everything that is not as it should be; empty when all is well."""
    return [
        *_stores(),
        *_kinds(kinds),
        *_recommendations(recommendations),
        *_queues(queues, workers),
        *(
            Alert(
                f"{each.job} failed: {each.last.error or 'no reason given'}",
                f"/console/schedule/{each.job}",
            )
            for each in schedules
            if each.last and each.last.state == "failed"
        ),
    ]


def _stores() -> list[Alert]:
    try:
        ping_redis()
    except redis.RedisError as error:
        return [
            Alert(
                f"Redis does not answer ({type(error).__name__}). Events are accepted, and worked"
                " on once it is back.",
                "/health/ready",
            )
        ]
    return []


def _kinds(kinds: Sequence[KindFreshness]) -> list[Alert]:
    found, since = [], broken_since()
    for row in kinds:
        lasting = ""
        if row.kind in since and not row.ok:
            lasted = (datetime.now(UTC) - since[row.kind]).total_seconds()
            lasting = f" Broken for {duration(max(round(lasted), 1))}."
        if row.dead:
            found.append(
                Alert(f"{row.kind}: {row.dead:,} given up.{lasting}", f"/console/dead/{row.kind}")
            )
        elif not row.ok:
            age, limit = duration(row.oldest_stale_s), duration(row.limit_s)
            found.append(
                Alert(
                    f"{row.kind}: stale for {age}, the limit is {limit}.{lasting}",
                    "/console/queues",
                )
            )
    return found


def _recommendations(contract: RecommendationContract) -> list[Alert]:
    if contract.ok:
        return []
    age, limit = duration(contract.model_age_s), duration(contract.limit_s)
    text = f"The recommendation model is {age} old, the limit is {limit}."
    return [Alert(text, "/console/runs")]


def _queues(queues: Sequence[QueueOut], workers: Sequence[WorkerProcess]) -> list[Alert]:
    found = []
    manned = {queue for worker in workers if worker.alive for queue in worker.queues}
    for queue in Queue:
        if queue not in manned:
            found.append(Alert(f"No worker takes from the queue {queue}.", "/console/workers"))
    for each in queues:
        if each.paused:
            found.append(Alert(f"The queue {each.queue} is paused.", "/console/queues"))
        elif (each.oldest_s or 0) > STUCK_S:
            age = duration(each.oldest_s)
            found.append(
                Alert(
                    f"The oldest message in {each.queue} has waited for {age}.",
                    f"/console/queues/{each.queue}",
                )
            )
        if each.dead:
            found.append(
                Alert(
                    f"{each.dead:,} dead messages in {each.queue}.",
                    f"/console/queues/{each.queue}?state=dead",
                )
            )
    return found
