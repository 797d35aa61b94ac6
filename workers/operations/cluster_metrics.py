"""What Prometheus asks of the cluster: queues, workers, timed jobs, and the stores themselves."""

import time
from collections.abc import Callable, Iterator

import psycopg
import redis
from prometheus_client.core import GaugeMetricFamily, Metric
from psycopg_pool import PoolTimeout

from workers.core.queries import query
from workers.core.stores import connection, ping_postgres, ping_redis
from workers.core.vocabulary import Queue
from workers.jobs.heartbeats import list_workers
from workers.jobs.queues import paused_queues, read_depths
from workers.jobs.schedules import list_schedules

DATABASE_SIZE = query("operations/cluster_metrics.database_size")

PINGS: dict[str, Callable[[], None]] = {"postgres": ping_postgres, "redis": ping_redis}


def collect_cluster() -> Iterator[Metric]:
    """Collect gauges of this moment; those of the queues are missing while Redis is down."""
    yield from _stores()
    yield from _jobs()
    paused = GaugeMetricFamily("queue_paused", "1 while it is held back.", labels=["queue"])
    held_back = paused_queues()
    for queue in Queue:
        paused.add_metric([queue], float(queue in held_back))
    workers = [worker for worker in list_workers() if worker.alive]
    processes = GaugeMetricFamily(
        "worker_processes", "Living worker processes that take from it.", labels=["queue"]
    )
    busy = GaugeMetricFamily("worker_threads_busy", "Their threads at work.", labels=["queue"])
    for queue in Queue:
        own = [worker for worker in workers if queue in worker.queues]
        processes.add_metric([queue], len(own))
        busy.add_metric([queue], sum(len(worker.jobs) for worker in own))
    yield from (paused, processes, busy)
    try:
        depths = read_depths()
    except redis.RedisError:
        return
    messages = GaugeMetricFamily(
        "queue_messages", "Messages in a queue, by state.", labels=["queue", "state"]
    )
    oldest = GaugeMetricFamily(
        "queue_oldest_seconds", "Age of the oldest ready message.", labels=["queue"]
    )
    for depth in depths:
        for state in ("ready", "delayed", "running", "dead"):
            messages.add_metric([depth.queue, state], getattr(depth, state))
        oldest.add_metric([depth.queue], depth.oldest_s or 0)
    yield from (messages, oldest)


def _jobs() -> Iterator[Metric]:
    failed = GaugeMetricFamily(
        "scheduled_job_failed", "1 if the last firing of the job failed.", labels=["job"]
    )
    duration = GaugeMetricFamily(
        "scheduled_job_duration_seconds", "How long its last firing took.", labels=["job"]
    )
    for schedule in list_schedules():
        last = schedule.last
        failed.add_metric([schedule.job], float(last is not None and last.state == "failed"))
        if last is not None and last.duration_s is not None:
            duration.add_metric([schedule.job], last.duration_s)
    yield from (failed, duration)


def _stores() -> Iterator[Metric]:
    up = GaugeMetricFamily("store_up", "1 if the store answers.", labels=["store"])
    latency = GaugeMetricFamily(
        "store_latency_ms", "One round trip, in milliseconds.", labels=["store"]
    )
    for store, ping in PINGS.items():
        started = time.perf_counter()
        try:
            ping()
        except (psycopg.Error, PoolTimeout, redis.RedisError):
            up.add_metric([store], 0)
            continue
        up.add_metric([store], 1)
        latency.add_metric([store], (time.perf_counter() - started) * 1000)
    yield from (up, latency)
    with connection() as conn:
        row = conn.execute(DATABASE_SIZE).fetchone()
    size = GaugeMetricFamily("postgres_database_bytes", "Size of the database.")
    size.add_metric([], float(row[0] if row else 0))
    yield size
