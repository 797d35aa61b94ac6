"""Documents that MongoDB holds and Python does not: each fails alone, with its reason."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.errors import InvalidBSON
from pymongo.cursor import Cursor

from tests.collection import Documents, document, stored, work_run
from workers.core.errors import BadDocumentError
from workers.documents.failures import list_failures
from workers.documents.source import CODEC_OPTIONS, Mark, modified_after
from workers.documents.text import read_text
from workers.jobs.runs import RunKind

# Milliseconds of the first moment that no datetime can be.
YEAR_10000 = 253_402_300_800_000


def failures() -> dict[str, str]:
    return {failure.doc_id: failure.reason for failure in list_failures("v1", 1000)}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Ids of documents whose bytes cannot be decoded: the stand-in holds none such."""
    ids: set[str] = set()

    following: Callable[[Cursor[Any]], dict[str, Any]] = Cursor.next

    def decoded(self: Cursor[Any]) -> dict[str, Any]:
        row = following(self)
        # Ids and times of the same document can be read.
        if "body" in (self._projection or {}) and row.get("doc_id") in ids:
            raise InvalidBSON("'utf-8' codec can't decode byte 0xff in position 4")
        return row

    monkeypatch.setattr(Cursor, "next", decoded)
    monkeypatch.setattr(Cursor, "__next__", decoded)
    return ids


@pytest.mark.parametrize("kind", [RunKind.documents_all, RunKind.documents_incremental])
def test_a_document_that_cannot_be_decoded_fails_alone(
    documents: Documents, broken: set[str], kind: RunKind
) -> None:
    doc_ids = documents.add_many(40)
    broken |= {"D00007", "D00031"}
    run, counts = work_run(kind)
    assert (run.state, run.failed, counts.embedded) == ("done", 2, 38)
    assert failures() == {"D00007": "invalid_bson", "D00031": "invalid_bson"}
    assert "0xff" in list_failures("v1", 1)[0].error
    assert stored() == set(doc_ids) - broken
    broken.clear()
    run, _ = work_run(RunKind.documents_all)
    assert (run.state, failures(), stored()) == ("done", {}, set(doc_ids))


def read_as_our_client_does(document: dict[str, Any], *replace: tuple[bytes, bytes]) -> Any:
    """What the client makes of a document's bytes, some of them replaced by others."""
    data = bson.encode(document)
    for old, new in replace:
        data = data.replace(old, new)
    return bson.decode(data, CODEC_OPTIONS)


@pytest.mark.parametrize(
    ("row", "replaced", "reason"),
    [
        (document("A", modified_at=bson.DatetimeMS(YEAR_10000)), (b"", b""), "bad_modified_at"),
        (
            document("A", body="caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
            (b"\xc3\xa9", b"\xff\xff"),
            "not_utf8",
        ),
        (
            document("A", title="caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
            (b"\xc3\xa9", b"\xff\xff"),
            "not_utf8",
        ),
        (
            document("caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
            (b"\xc3\xa9", b"\xff\xff"),
            "bad_doc_id",
        ),
    ],
    ids=["a date after 9999", "body", "title", "doc_id"],
)
def test_a_value_that_python_has_no_word_for_is_the_documents_reason(
    row: dict[str, Any], replaced: tuple[bytes, bytes], reason: str
) -> None:
    found = read_as_our_client_does(row, replaced)
    with pytest.raises(BadDocumentError) as error:
        read_text(found)
    assert error.value.reason == reason


def test_dates_that_python_knows_are_read_as_before() -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert read_text(read_as_our_client_does(document("A", modified_at=at))).modified_at == at


@pytest.mark.parametrize("before", [[], ["A"]])
def test_a_walk_by_time_comes_to_its_end_where_ids_cannot_be_named(
    documents: Documents, before: list[str]
) -> None:
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    documents.add(*before, *(f"D\0{n}" for n in range(5)), modified_at=at)
    documents.add("Z", modified_at=at + timedelta(seconds=1))
    mark, seen = Mark(at - timedelta(days=1), ""), set[str]()
    for _ in range(10):
        rows, following = modified_after(mark, 2)
        seen |= {row["doc_id"] for row in rows}
        if following is None:
            break
        mark = following
    else:
        raise AssertionError("the walk goes round")
    assert "Z" in seen
