"""What Prometheus asks of documents: runs, failures, coverage and the store's memory."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from workers.core.queries import query
from workers.core.stores import connection, stores
from workers.documents.failures import count_by_reason

LAST_RUNS = query("documents/metrics.last_runs")
LAST_COVERAGE = query("documents/metrics.last_coverage")


def collect_documents() -> Iterator[Metric]:
    """Collect gauges of what is stored; nothing is measured anew, so a scrape is cheap."""
    age = GaugeMetricFamily(
        "documents_last_success_age_seconds",
        "Time since a run of this kind last ended well.",
        labels=["kind"],
    )
    failed = GaugeMetricFamily(
        "documents_last_run_failed",
        "1 if the last run of this kind failed.",
        labels=["kind"],
    )
    coverage = GaugeMetricFamily(
        "documents_coverage",
        "Share of documents with a fresh vector at the end of the last full run.",
        labels=["version"],
    )
    with connection() as conn:
        for kind, age_s, has_failed in conn.execute(LAST_RUNS):
            if age_s is not None:
                age.add_metric([kind], age_s)
            failed.add_metric([kind], float(has_failed))
        for version, share in conn.execute(LAST_COVERAGE):
            coverage.add_metric([version], share)
    failures = GaugeMetricFamily(
        "documents_failures",
        "Documents that have no fresh vector because they failed; dead ones are given up.",
        labels=["version", "reason", "dead"],
    )
    for version, reason, dead, count in count_by_reason():
        failures.add_metric([version, reason, str(dead).lower()], count)
    yield from (age, failed, coverage, failures)
    memory = stores().redis.info("memory")
    for name, text in {
        "used_memory": "Memory that Redis uses.",
        "maxmemory": "Memory that Redis may use; 0 is no limit.",
    }.items():
        family = GaugeMetricFamily(f"feature_store_{name}_bytes", text, value=float(memory[name]))
        yield family
