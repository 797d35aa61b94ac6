"""A collection of documents, what the store holds of it, and runs without a queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pymongo import MongoClient
from pymongo.collection import Collection

from tests.library import change
from workers.core.settings import settings
from workers.core.stores import stores
from workers.documents.batch import precompute_batch
from workers.documents.batches import Counts, count_batches
from workers.documents.plan import begin_documents_run, plan_documents
from workers.documents.store import key_of, scan_all
from workers.jobs.runs import Run, RunKind, read_run

WORDS = ("river", "mountain", "library", "winter", "garden", "harbour", "engine", "violin")


@dataclass(frozen=True)
class Documents:
    """A collection, and a few ways to change it."""

    collection: Collection[dict[str, Any]]

    def add(self, *doc_ids: str, **fields: Any) -> None:
        """Documents with texts of their own."""
        self.collection.insert_many([document(doc_id, **fields) for doc_id in doc_ids])

    def add_many(self, count: int) -> list[str]:
        """Documents D00000, D00001, ..."""
        doc_ids = [f"D{n:05}" for n in range(count)]
        for start in range(0, count, 1000):
            self.add(*doc_ids[start : start + 1000])
        return doc_ids

    def edit(self, *doc_ids: str, **fields: Any) -> None:
        """Give documents a new text and time."""
        for doc_id in doc_ids:
            new = {"body": f"a new text {uuid4().hex}", "modified_at": now(), **fields}
            self.collection.update_one({"doc_id": doc_id}, {"$set": new})

    def delete(self, *doc_ids: str) -> None:
        """Remove documents."""
        self.collection.delete_many({"doc_id": {"$in": list(doc_ids)}})


@contextmanager
def documents_collection(mongo_url: str) -> Iterator[Documents]:
    """An empty collection with its indexes, dropped afterwards."""
    with MongoClient[dict[str, Any]](mongo_url, tz_aware=True) as client:
        database = client["search-engine"]
        collection = database[f"documents_{uuid4().hex}"]
        collection.create_index("doc_id")
        collection.create_index("modified_at")
        # The collection exists from its first document on.
        collection.insert_one({"doc_id": "first"})
        collection.delete_many({})
        yield Documents(collection)
        collection.drop()


def document(doc_id: str, **fields: Any) -> dict[str, Any]:
    """A document as MongoDB holds it, its text made from its id."""
    number = sum(doc_id.encode())
    words = " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 6))
    whole = {
        "doc_id": doc_id,
        "title": f"Title of {doc_id}",
        "body": f"{words} number {doc_id}",
        "language": "en",
        "indexed_at": now(),
        "modified_at": now(),
    }
    return {name: value for name, value in (whole | fields).items() if value is not ...}


def now() -> datetime:
    """As MongoDB holds times: milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def work_run(kind: RunKind, *doc_ids: str) -> tuple[Run, Counts]:
    """Begin a run and work on it until nothing of it is due."""
    run_id = begin_documents_run(kind, doc_ids)
    work_on(run_id)
    return read_run(run_id), count_batches(run_id)


def work_on(run_id: UUID) -> None:
    """What the queue does for a run, without a queue."""
    step = plan_documents(run_id)
    while step.more:
        step = plan_documents(run_id)
    while precompute_batch(run_id) is not None:
        pass


def make_batches_due() -> None:
    """Let every pause of a batch end now."""
    change("UPDATE precompute_batches SET not_before = now()")


def stored(version: str = "v1") -> set[str]:
    """Ids of the documents in the store."""
    return {doc_id for page in scan_all() for found, doc_id in page if found == version}


def value_of(doc_id: str, version: str = "v1") -> bytes | None:
    """A stored value as it is."""
    value = stores().redis.get(key_of(version, doc_id))
    assert not isinstance(value, str)
    return value


def ttl_of(doc_id: str, version: str = "v1") -> int:
    """Seconds that a value still lives."""
    return int(stores().redis.ttl(key_of(version, doc_id)))


def dimensions() -> int:
    """Of a document's vector."""
    return settings().document_embedding_dimensions
