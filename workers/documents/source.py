"""The documents in MongoDB, read only: plain finds over indexed fields, a page at a time.

Needs an index that begins with `doc_id`, and for incremental runs one that begins with
`modified_at`. Only `find` with sort, limit and projection, `count` and `listCollections` are used.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, PyMongoError

from workers.core.errors import SourceError
from workers.core.foreign_text import is_writable
from workers.core.settings import settings
from workers.core.stores import stores

# Bodies may be long: so many cross the wire together, and each is cut as it arrives.
WIRE_BATCH = 250
MESSAGE_CHARACTERS = 200

STAMP = {"_id": 0, "doc_id": 1, "modified_at": 1}
WHOLE = {"doc_id": 1, "title": 1, "body": 1, "language": 1, "modified_at": 1}

# BSON has dates beyond it, and Python has none.
LAST_DATE = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)

Row = dict[str, Any]

# What Python has no value for is one document's fault: it is found when that one is read.
CODEC_OPTIONS: CodecOptions[Row] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Mark:
    """Where a walk by time of change got to: everything up to this document of this time."""

    modified_at: datetime
    doc_id: str


@dataclass(frozen=True)
class Unreadable:
    """A document whose bytes cannot be decoded, and what its decoder said."""

    doc_id: str
    error: str


@contextmanager
def reading() -> Iterator[Collection[Row]]:
    """Lend the collection, with MongoDB's errors translated.

    Raises:
        SourceError: MONGO_URL is not set, nobody answers, or MongoDB refuses.
    """
    client = stores().mongo
    if client is None:
        raise SourceError("mongo_not_configured", "documents need MONGO_URL")
    try:
        database = client[settings().mongo_database]
        yield database.get_collection(settings().mongo_collection, CODEC_OPTIONS)
    except ConnectionFailure as error:
        message = f"MongoDB does not answer: {str(error)[:MESSAGE_CHARACTERS]}"
        raise SourceError("mongo_down", message) from error
    except PyMongoError as error:
        message = f"MongoDB refuses: {str(error)[:MESSAGE_CHARACTERS]}"
        raise SourceError("mongo_refused", message) from error
    except BSONError as error:
        message = f"MongoDB's answer cannot be read: {str(error)[:MESSAGE_CHARACTERS]}"
        raise SourceError("mongo_unreadable", message) from error


def check_source() -> None:
    """Make sure that there is a collection to read.

    Raises:
        SourceError: it cannot be reached, or there is none of that name.
    """
    with reading() as collection:
        known = collection.database.list_collection_names(filter={"name": collection.name})
    if collection.name not in known:
        raise SourceError(
            "mongo_collection_missing",
            f"MongoDB has no collection {collection.name} in {collection.database.name}",
        )


def warn_of_missing_indexes() -> None:
    """Say so in the log if walks would have to read the whole collection."""
    with reading() as collection:
        led_by = {index["key"][0][0] for index in collection.index_information().values()}
    missing = {"doc_id", "modified_at"} - led_by
    if missing:
        log.warning("mongo_index_missing", collection=collection.name, fields=sorted(missing))


def count_documents() -> int:
    """Estimate how many documents there are, from the collection's metadata."""
    with reading() as collection:
        return collection.estimated_document_count()


def ids_after(after: str, limit: int) -> list[str]:
    """Read the next ids in order; only text, as other values of `doc_id` are never in a walk."""
    with reading() as collection:
        rows = collection.find({"doc_id": {"$gt": after}}, {"_id": 0, "doc_id": 1})
        return [row["doc_id"] for row in rows.sort("doc_id", 1).limit(limit).batch_size(limit)]


def stamps_between(after: str | None, last: str | None) -> dict[str, datetime | None]:
    """Read when each document of (after, last] was modified; null ends are open."""
    with reading() as collection:
        rows = collection.find(_between(after, last), STAMP).sort("doc_id", 1)
        return _stamps(rows.batch_size(settings().document_batch_size))


def stamps_of(doc_ids: Iterable[str]) -> dict[str, datetime | None]:
    """Read when each of these documents was modified; those that are gone are missing."""
    with reading() as collection:
        rows = collection.find({"doc_id": {"$in": list(doc_ids)}}, STAMP)
        return _stamps(rows.batch_size(settings().document_batch_size))


def documents_between(after: str | None, last: str | None) -> Iterator[Row | Unreadable]:
    """Yield the documents of (after, last], bodies and all, as they arrive."""
    with reading() as collection:
        try:
            rows = collection.find(_between(after, last), WHOLE).sort("doc_id", 1)
            yield from rows.batch_size(WIRE_BATCH)
        except BSONError:
            # One document has taken along the page that it came in.
            named = collection.find(_between(after, last), {"_id": 0, "doc_id": 1})
            yield from documents_of([row["doc_id"] for row in named if is_writable(row["doc_id"])])


def documents_of(doc_ids: Sequence[str]) -> Iterator[Row | Unreadable]:
    """Yield these documents, as far as they exist; some twice if one cannot be decoded.

    Its page says nothing of which one it is, so halves are read until it is alone.
    """
    with reading() as collection:
        try:
            named = collection.find({"doc_id": {"$in": list(doc_ids)}}, WHOLE)
            yield from named.batch_size(WIRE_BATCH)
        except BSONError as error:
            if len(doc_ids) == 1:
                yield Unreadable(doc_ids[0], str(error)[:MESSAGE_CHARACTERS])
                return
            half = len(doc_ids) // 2
            yield from documents_of(doc_ids[:half])
            yield from documents_of(doc_ids[half:])


def modified_after(mark: Mark, limit: int) -> tuple[list[Row], Mark | None]:
    """Read the next documents by time of change, and the mark to go on from; None at the end.

    Many documents may have been modified at the same moment, so those come first that share the
    mark's. Those of a time that is no date to Python are `modified_beyond`.
    """
    with reading() as collection:
        same = collection.find(
            {"modified_at": mark.modified_at, "doc_id": {"$gt": mark.doc_id}},
            {"doc_id": 1, "modified_at": 1},
        )
        rows = list(same.sort("doc_id", 1).limit(limit).batch_size(limit))
        if not any(is_writable(row["doc_id"]) for row in rows):
            # None left, or a page whose end cannot be named: from there it would be read for ever.
            later = collection.find(
                {"modified_at": {"$gt": mark.modified_at, "$lte": LAST_DATE}},
                {"doc_id": 1, "modified_at": 1},
            ).sort([("modified_at", 1), ("doc_id", 1)])
            rows = list(later.limit(limit).batch_size(limit))
    if not rows:
        return [], None
    last_time = read_time(rows[-1]["modified_at"])
    if last_time is None:
        raise SourceError("mongo_refused", "MongoDB found something later than a date, and no date")
    last_ids = [row.get("doc_id") for row in rows if read_time(row["modified_at"]) == last_time]
    named = [each for each in last_ids if isinstance(each, str) and is_writable(each)]
    return rows, Mark(last_time, named[-1] if named else "")


def modified_beyond(limit: int) -> list[str]:
    """Name documents that were modified after the year 9999, as somebody's clock said."""
    with reading() as collection:
        rows = collection.find({"modified_at": {"$gt": LAST_DATE}}, {"_id": 0, "doc_id": 1})
        found = [row.get("doc_id") for row in rows.limit(limit)]
    return [doc_id for doc_id in found if isinstance(doc_id, str) and is_writable(doc_id)]


def documents_without_id(limit: int) -> list[Row]:
    """Find documents whose `doc_id` is missing or no text: they sort before or after all text."""
    found: list[Row] = []
    with reading() as collection:
        for direction in (1, -1):
            rows = collection.find({}, {"doc_id": 1}).sort("doc_id", direction).limit(limit)
            for row in rows:
                if isinstance(row.get("doc_id"), str) and row["doc_id"]:
                    break
                found.append(row)
    return found


def read_time(value: object) -> datetime | None:
    """Read a date, or a text that stands for one; anything else says nothing.

    MongoDB holds dates. But exports write texts, and so does the embedded stand-in on `$set`.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _between(after: str | None, last: str | None) -> Mapping[str, object]:
    # Comparison with text finds text only.
    bounds: dict[str, str] = {"$gt": after or ""}
    if last is not None:
        bounds["$lte"] = last
    return {"doc_id": bounds}


def _stamps(rows: Iterable[Row]) -> dict[str, datetime | None]:
    # An id that is not UTF-8 names nothing: runs over all documents list it as failed.
    return {
        row["doc_id"]: read_time(row.get("modified_at"))
        for row in rows
        if is_writable(row["doc_id"])
    }
