"""The state of the cluster: freshness, health, metrics."""

import time
from collections.abc import Callable
from datetime import datetime

import psycopg
import psycopg_pool
import redis
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from routes.http.operations import OPEN, Operation, reply
from workers.books.contract import RecommendationContract, read_contract
from workers.core import counters, metrics
from workers.core.api_keys import Role
from workers.core.stores import ping_postgres, ping_redis
from workers.core.vocabulary import Kind
from workers.documents.metrics import collect_documents
from workers.ledger.contract import KindFreshness, summarize
from workers.neighbors.check import read_last_check
from workers.operations.cluster_metrics import collect_cluster

log = structlog.get_logger()


class KindOut(BaseModel):
    """One kind's contract: coverage in [0, 1], ages in seconds."""

    kind: Kind
    total: int
    fresh: int
    stale: int
    dead: int
    coverage: float
    oldest_stale_s: float | None
    limit_s: float
    ok: bool

    @classmethod
    def of(cls, row: KindFreshness) -> "KindOut":
        """Take the fields from the ledger's count."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RecommendationsOut(BaseModel):
    """The recommendation model and its age, and the share of students with a degraded answer.

    `degraded_share` in [0, 1] was counted at `checked_at`, hourly: answers without loans or
    neighbours of the student's own, or for all without a model or vectors of books. Null: no model
    yet, not counted yet.
    """

    model_id: int | None
    model_age_s: float | None
    limit_s: float
    degraded_share: float | None
    students: int | None
    no_loans: int | None
    no_neighbors: int | None
    checked_at: datetime | None
    ok: bool

    @classmethod
    def of(cls, row: RecommendationContract) -> "RecommendationsOut":
        """Take the fields from what is kept."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class FreshnessOut(BaseModel):
    """`ok` when every kind is, and the recommendations are.

    A kind: nothing dead, nothing stale for longer than its limit. The recommendations: no model
    that is older than its limit.
    """

    ok: bool
    kinds: list[KindOut]
    recommendations: RecommendationsOut


class StoreHealth(BaseModel):
    """Whether a store answers, and how fast; `needed` if nothing works without it."""

    ok: bool
    needed: bool
    latency_ms: float | None
    error: str | None


class Ready(BaseModel):
    """`ok` when every needed store answers."""

    ok: bool
    stores: dict[str, StoreHealth]


class Live(BaseModel):
    """The process answers."""

    ok: bool


FRESHNESS = TypeAdapter(FreshnessOut)
READY = TypeAdapter(Ready)
LIVE = TypeAdapter(Live)


def get_freshness() -> Response:
    """Answer with the freshness contract."""
    kinds = [KindOut.of(kind) for kind in summarize()]
    recommendations = RecommendationsOut.of(read_contract())
    ok = all(kind.ok for kind in kinds) and recommendations.ok
    return reply(FRESHNESS, FreshnessOut(ok=ok, kinds=kinds, recommendations=recommendations))


def get_live() -> Response:
    """Answer that the process lives, whatever the stores do."""
    return reply(LIVE, Live(ok=True))


def get_ready() -> Response:
    """Ask every store whether it answers."""
    # Without Redis events are still accepted, and worked on once it is back.
    stores = {
        "postgres": _check(ping_postgres, needed=True),
        "redis": _check(ping_redis, needed=False),
    }
    ok = all(store.ok for store in stores.values() if store.needed)
    return reply(READY, Ready(ok=ok, stores=stores), 200 if ok else 503)


def get_metrics() -> Response:
    """Answer with everything that is counted, in Prometheus' text format."""
    counters.flush()
    registry = CollectorRegistry()
    registry.register(_Cluster())
    return Response(
        generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


class _Cluster(Collector):
    """Collects the counters of all processes, and the state of the ledger."""

    def collect(self) -> list[Metric]:
        families = []
        rows = summarize()
        for name, text in {
            "total": "Keys in the ledger.",
            "fresh": "Keys that are fresh.",
            "stale": "Keys that want a run.",
            "dead": "Keys that were given up.",
            "coverage": "Share of keys that are fresh.",
            "oldest_stale_s": "Age of the oldest stale key, in seconds.",
            "limit_s": "Limit of that age, in seconds.",
            "ok": "1 if nothing is dead, and nothing stale for longer than its limit.",
        }.items():
            family = GaugeMetricFamily(f"freshness_{name}", text, labels=["kind"])
            for row in rows:
                family.add_metric([row.kind], float(getattr(row, name) or 0))
            families.append(family)
        families += _recommendations()
        for name, figure in read_last_check().items():
            if figure is not None:
                text = f"Of the neighbour graph at its last nightly check: {name}."
                families.append(GaugeMetricFamily(f"neighbors_{name}", text, value=figure))
        return [*families, *collect_cluster(), *collect_documents(), *metrics.collect()]


def _recommendations() -> list[GaugeMetricFamily]:
    contract = read_contract()
    figures = {
        "recommendation_model_age_s": ("Age of the model that is read.", contract.model_age_s),
        "recommendation_model_limit_s": ("Limit of that age, in seconds.", contract.limit_s),
        "recommendations_degraded_share": (
            "Share of students whose answer would do without something.",
            contract.degraded_share,
        ),
    }
    return [
        GaugeMetricFamily(name, text, value=figure)
        for name, (text, figure) in figures.items()
        if figure is not None
    ]


def _check(ping: Callable[[], None], *, needed: bool) -> StoreHealth:
    started = time.perf_counter()
    try:
        ping()
    except (psycopg.Error, psycopg_pool.PoolTimeout, redis.RedisError) as error:
        # The text may name hosts and users, so it goes to the log and not to the open endpoint.
        log.warning("store_not_ready", check=ping.__name__, error=str(error))
        return StoreHealth(ok=False, needed=needed, latency_ms=None, error=type(error).__name__)
    latency_ms = round((time.perf_counter() - started) * 1000, 2)
    return StoreHealth(ok=True, needed=needed, latency_ms=latency_ms, error=None)


OPERATIONS = (
    Operation(
        method="GET",
        path="/freshness",
        handler=get_freshness,
        summary="How much of each kind is fresh, and its oldest stale key; the model's age.",
        role=Role.read,
        answers=FRESHNESS,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/health/live",
        handler=get_live,
        summary="Whether the process answers.",
        role=OPEN,
        answers=LIVE,
    ),
    Operation(
        method="GET",
        path="/health/ready",
        handler=get_ready,
        summary="Each store with its latency; 503 if a needed one is down.",
        role=OPEN,
        answers=READY,
        alike=(503,),
    ),
    Operation(
        method="GET",
        path="/metrics",
        handler=get_metrics,
        summary="Counters of all processes and the ledger's gauges, for Prometheus.",
        role=Role.read,
        problems=(503,),
    ),
)
