"""What is counted, by name, and how Prometheus reads it."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from workers.core.counters import Distribution, Total, read_counts

EMBEDDINGS_GENERATED = Total(
    "embeddings_generated_total", "Valid embeddings received from the embedder.", ("model",)
)
INVALID_EMBEDDINGS = Total(
    "invalid_embeddings_total", "Embeddings that validation rejected.", ("model",)
)
OPENAI_API_ERRORS = Total(
    "openai_api_errors_total", "Failed requests to the provider, by HTTP status or kind.", ("kind",)
)
CHAT_REQUESTS = Total("chat_requests_total", "Requests to the chat model.", ("model",))
CHAT_ERRORS = Total(
    "chat_errors_total", "Failed requests to the chat model, by HTTP status or kind.", ("kind",)
)
READER_LOANS = Total(
    "reader_loans_total",
    "Neighbours whose loans a recommendation needed: kept by the process, or read.",
    ("outcome",),
)
WORDED_ITEMS = Total(
    "worded_items_total",
    "Recommended books whose words a chat model was to write: kept, written, refused or missing.",
    ("outcome",),
)
EMBEDDING_DURATION = Distribution(
    "embedding_generation_duration_ms",
    "Duration of one request to the embedder, in milliseconds.",
    (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000),
    ("model",),
)
EVENTS_ACCEPTED = Total("events_accepted_total", "Events stored, by type.", ("event_type",))
KEYS_DONE = Total("keys_done_total", "Ledger keys that became fresh.", ("kind",))
KEYS_FAILED = Total("keys_failed_total", "Failed attempts at a ledger key.", ("kind",))
NEIGHBORS_OUT_OF_RANGE = Total(
    "neighbor_similarity_out_of_range_total", "Similarities outside [0, 1] before clamping."
)
KEY_LATENCY = Distribution(
    "key_latency_seconds",
    "From when a ledger key went stale to when it was fresh again, in seconds.",
    (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800, 7200),
    ("kind",),
)
CONTRACT_BREAKS = Total(
    "freshness_broken_total", "How often a kind went beyond its limit or lost a key.", ("kind",)
)
SCHEDULER_FAILURES = Total(
    "scheduler_failures_total",
    "Steps of the scheduler's passes that failed; each is tried again in the next pass.",
    ("step",),
)
MESSAGES = Total(
    "messages_total",
    "Messages that workers took, by how it ended: done, failed or skipped.",
    ("queue", "actor", "outcome"),
)
MESSAGE_DURATION = Distribution(
    "message_duration_ms",
    "Duration of an actor's work on one message, in milliseconds.",
    (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 600_000),
    ("actor",),
)
HTTP_REQUESTS = Total(
    "http_requests_total", "Answered requests, by route and status.", ("method", "route", "status")
)
HTTP_DURATION = Distribution(
    "http_request_duration_ms",
    "Duration of a request, in milliseconds.",
    (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 5000),
    ("method", "route"),
)
PROVIDER_REQUESTS = Total(
    "provider_requests_total", "Requests to the provider, also those that failed.", ("model",)
)
PROVIDER_INPUTS = Total("provider_inputs_total", "Texts sent to the provider.", ("model",))
PROVIDER_TOKENS = Total(
    "provider_tokens_total", "Tokens that the provider counted in its answers.", ("model",)
)
DOCUMENTS_EMBEDDED = Total(
    "documents_embedded_total", "Documents' vectors written, by language.", ("language",)
)
DOCUMENTS_UNCHANGED = Total(
    "documents_unchanged_total", "Documents' vectors that were right and live on."
)
DOCUMENTS_FAILED = Total(
    "documents_failed_total", "Documents that a run could not embed, by reason.", ("reason",)
)
USER_CACHE_HITS = Total(
    "user_cache_hits_total", "Reads of a user's vector that Redis could answer."
)
USER_CACHE_MISSES = Total(
    "user_cache_misses_total", "Reads of a user's vector that had to ask Postgres."
)
USERS_RECOMPUTED = Total(
    "users_recomputed_total",
    "Users looked at: embedded, or the reason why there is no vector.",
    ("outcome",),
)
TOTALS = (
    CONTRACT_BREAKS,
    SCHEDULER_FAILURES,
    MESSAGES,
    HTTP_REQUESTS,
    PROVIDER_REQUESTS,
    PROVIDER_INPUTS,
    PROVIDER_TOKENS,
    EMBEDDINGS_GENERATED,
    INVALID_EMBEDDINGS,
    OPENAI_API_ERRORS,
    CHAT_REQUESTS,
    CHAT_ERRORS,
    READER_LOANS,
    WORDED_ITEMS,
    EVENTS_ACCEPTED,
    KEYS_DONE,
    KEYS_FAILED,
    NEIGHBORS_OUT_OF_RANGE,
    DOCUMENTS_EMBEDDED,
    DOCUMENTS_UNCHANGED,
    DOCUMENTS_FAILED,
    USER_CACHE_HITS,
    USER_CACHE_MISSES,
    USERS_RECOMPUTED,
)
DISTRIBUTIONS = (EMBEDDING_DURATION, KEY_LATENCY, MESSAGE_DURATION, HTTP_DURATION)


def collect() -> Iterator[Metric]:
    """Collect the cluster's counters and histograms as Prometheus metric families."""
    stored = read_counts()
    for total in TOTALS:
        family = CounterMetricFamily(total.name, total.help, labels=total.labels)
        for (name, _, *labels), value in stored.items():
            if name == total.name:
                family.add_metric(labels, value)
        yield family
    for distribution in DISTRIBUTIONS:
        yield _histogram(distribution, stored)


def _histogram(
    distribution: Distribution, stored: dict[tuple[str, ...], float]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(distribution.name, distribution.help, labels=distribution.labels)
    bounds = [str(float(bound)) for bound in distribution.buckets] + ["+Inf"]
    label_sets = {key[2:] for key in stored if key[0] == distribution.name}
    for labels in sorted(label_sets):
        counts = [stored.get((distribution.name, bound, *labels), 0.0) for bound in bounds]
        family.add_metric(
            labels,
            list(zip(bounds, _running_total(counts), strict=True)),
            stored.get((distribution.name, "sum", *labels), 0.0),
        )
    return family


def _running_total(counts: Iterable[float]) -> Iterator[float]:
    total = 0.0
    for count in counts:
        total += count
        yield total
