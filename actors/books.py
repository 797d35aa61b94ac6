"""Books: vectors kept up with their facts, the index over them, the recommendation model."""

from uuid import UUID

import dramatiq
import structlog

from actors.broker import broker
from actors.notify import handles, notify
from workers.books import build_model, contract, recommendation_weeks, vector_index, vectors
from workers.core.stores import connect
from workers.core.vocabulary import Kind, Queue
from workers.jobs.schedules import leased_firing

# Building over a large catalogue takes minutes and blocks nobody.
INDEX_TIME_LIMIT_MS = 3600 * 1000
# Cubic in the number of books: minutes for the 20,000 most borrowed ones.
MODEL_TIME_LIMIT_MS = 6 * 3600 * 1000

log = structlog.get_logger()


@handles(Kind.book_embedding)
@dramatiq.actor(queue_name=Queue.live, broker=broker)
def recompute_book(book_id: str) -> None:
    """Recompute the vectors of this book and of others that are stale."""
    notify(vectors.recompute_book(book_id))


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def refresh_books(firing_id: str) -> None:
    """Mark books of another model stale, nightly; the reconciler feeds them to the workers."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("books_marked_stale", count=vectors.refresh_books())


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=INDEX_TIME_LIMIT_MS)
def index_books(firing_id: str) -> None:
    """Build the index if it is needed and missing, hourly, on a connection of its own."""
    with leased_firing(UUID(firing_id)) as ours, connect() as conn:
        if ours:
            vector_index.index_books(conn)


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def check_recommendations(firing_id: str) -> None:
    """Count whose recommendations would have to do without something, hourly."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            contract.check_recommendations()


@dramatiq.actor(queue_name=Queue.batch, broker=broker)
def count_recommendations(firing_id: str) -> None:
    """Count what became of the recommendations of the last weeks, nightly."""
    with leased_firing(UUID(firing_id)) as ours:
        if ours:
            log.info("recommendation_weeks_counted", count=recommendation_weeks.store_weeks())


@dramatiq.actor(queue_name=Queue.batch, broker=broker, time_limit=MODEL_TIME_LIMIT_MS)
def build_recommendation_model(run_id: str) -> None:
    """Build the model of this run from all loans, and let readers follow it."""
    build_model.build_model(UUID(run_id))
