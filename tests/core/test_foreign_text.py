"""Texts of others on their way to Postgres: what it cannot hold is kept, escaped."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.collection import Documents, work_run
from tests.embeddings_server import EmbeddingsServer
from tests.library import books, checkout, ledger, rows
from tests.work_off import work_off
from workers.core.stores import connect, connection
from workers.core.vocabulary import Kind
from workers.documents.failures import list_failures
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind

NUL, HALF_A_PAIR = "no \0 here", "no \ud83d here"
BOTH = pytest.mark.parametrize(
    ("text", "kept"), [(NUL, "no \\0 here"), (HALF_A_PAIR, "no \\ud83d here")], ids=["NUL", "half"]
)
Configure = Callable[..., None]


@BOTH
def test_a_refusal_that_postgres_cannot_hold_is_the_reason_why_a_student_is_dead(
    stores: None, embeddings_server: EmbeddingsServer, text: str, kept: str
) -> None:
    embeddings_server.refused, embeddings_server.refusal = {"Title 1"}, text
    recorded = record_events([*books(3), *(checkout(f"S{n}", f"B{n}") for n in range(3))])
    work_off(recorded.notifications)
    found = ledger(Kind.student_embedding, "done", "error", "dead_at")
    assert (found["S0"][0], found["S2"][0]) == (1, 1)
    assert kept in found["S1"][1]
    assert found["S1"][2] is not None
    ((traceback,),) = rows(
        "SELECT traceback FROM attempts WHERE traceback IS NOT NULL AND kind = 'student_embedding'"
    )
    assert kept in traceback


@BOTH
def test_a_refusal_that_postgres_cannot_hold_is_one_documents_reason_and_the_rest_is_stored(
    documents: Documents, embeddings_server: EmbeddingsServer, text: str, kept: str
) -> None:
    documents.add_many(20)
    embeddings_server.refused, embeddings_server.refusal = {"D00007"}, text
    run, counts = work_run(RunKind.documents_all)
    assert (run.state, run.failed, counts.embedded) == ("done", 1, 19)
    ((failure),) = list_failures("v1", 9)
    assert (failure.doc_id, failure.reason) == ("D00007", "refused")
    assert kept in failure.error


@BOTH
def test_whatever_is_written_through_any_connection_is_escaped(
    stores: None, text: str, kept: str
) -> None:
    with connection() as pooled, connect() as own:
        for conn in (pooled, own):
            one = conn.execute("SELECT %s::text, %s::text[], %t", [text, ["fine", text], text])
            assert one.fetchone() == (kept, ["fine", kept], kept)
            json = {"list": [text, {text: "\\0 \\u0000 \N{GRINNING FACE}"}]}
            answer = conn.execute("SELECT %s", [Jsonb(json)]).fetchone()
            assert answer == ({"list": [kept, {kept: "\\0 \\u0000 \N{GRINNING FACE}"}]},)
            conn.execute("CREATE TEMP TABLE t (x text)")
            with conn.cursor().copy("COPY t FROM STDIN") as copy:
                copy.write_row([text])
            assert conn.execute("SELECT x FROM t").fetchone() == (kept,)
            conn.execute("DROP TABLE t")


def test_what_postgres_can_hold_stays_as_it_is(stores: None) -> None:
    text = "Ü \\0 \N{GRINNING FACE} \u2028 \x7f"
    with connection() as conn:
        assert conn.execute("SELECT %s::text", [text]).fetchone() == (text,)


def test_a_connection_made_elsewhere_would_refuse_it(database_url: str) -> None:
    with psycopg.connect(database_url) as conn, pytest.raises(psycopg.DataError):
        conn.execute("SELECT %s::text", [NUL])
