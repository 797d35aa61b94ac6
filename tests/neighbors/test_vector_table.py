"""Vectors where a search finds them quickly: in line, indexed, and without dead weight."""

import numpy as np
import psycopg
import pytest
from psycopg import sql

from tests.graph import clustered, drain, raise_neighbors, store_vectors
from tests.library import rows
from workers.core.settings import settings
from workers.core.stores import connect, connection, transaction
from workers.neighbors.hnsw_index import index_is_ready, index_vectors
from workers.neighbors.hnsw_search import SEARCH_INDEX
from workers.neighbors.strategy import Search, choose_search

ROWS = 20_000
UPDATES = 30_000


def fill(count: int, dimensions: int) -> None:
    """Random vectors, made by Postgres."""
    with transaction() as conn:
        conn.execute(
            "INSERT INTO students (student_id) SELECT 'S' || n FROM generate_series(1, %s) AS n",
            [count],
        )
        conn.execute(
            "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
            " SELECT 'S' || n, %(model)s, %(dimensions)s, sha256(n::text::bytea),"
            " (SELECT array_agg(random() - 0.5) FROM generate_series(1, %(dimensions)s)"
            "  WHERE n > 0)::vector"
            " FROM generate_series(1, %(count)s) AS n",
            {"model": settings().model, "dimensions": dimensions, "count": count},
        )


def size(table: str) -> int:
    with connection() as conn:
        row = conn.execute("SELECT pg_relation_size(%s::regclass)", [table]).fetchone()
    assert row is not None
    return int(row[0])


def test_at_20000_rows_the_search_uses_the_index(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", "32")
    monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
    monkeypatch.setenv("ANN_SEARCH_MAX_STUDENTS", str(ROWS - 1))
    settings.cache_clear()
    fill(ROWS, 32)
    with connect() as conn:
        assert index_vectors(conn)
        assert not index_vectors(conn)
        conn.execute("ANALYZE student_embeddings")
    statement = sql.SQL("EXPLAIN " + SEARCH_INDEX).format(
        model=sql.Literal(settings().model), dimensions=sql.Literal(32)
    )
    with connection() as conn:
        plan = "\n".join(
            line
            for (line,) in conn.execute(
                statement, {"keys": [f"S{n}" for n in range(1, 101)], "limit": 101}
            )
        )
    assert "Index Scan using student_embeddings_hnsw" in plan


def test_a_small_population_gets_no_index(stores: None) -> None:
    store_vectors({"S1": np.ones(256, np.float32)})
    with connect() as conn:
        assert not index_vectors(conn)
        assert not index_is_ready(conn)


def test_a_population_that_has_no_index_yet_is_searched_by_the_index_of_workers(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "1")
    monkeypatch.setenv("ANN_SEARCH_MAX_STUDENTS", "2")
    settings.cache_clear()
    found = []
    with connect() as conn:
        for student_id in ("S1", "S2", "S3"):
            store_vectors({student_id: np.ones(256, np.float32)})
            found.append(choose_search(conn))
        index_vectors(conn)
        found.append(choose_search(conn))
    assert found == [Search.exact, Search.ivf, Search.ivf, Search.hnsw]


def test_a_killed_build_is_made_good(stores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
    monkeypatch.setenv("ANN_SEARCH_MAX_STUDENTS", "0")
    settings.cache_clear()
    store_vectors({"S1": np.ones(256, np.float32)})
    with connect() as conn:
        assert index_vectors(conn)
        # What a killed CREATE INDEX CONCURRENTLY leaves behind.
        conn.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
            " (SELECT oid FROM pg_class WHERE relname LIKE 'student_embeddings_hnsw%')"
        )
        assert not index_is_ready(conn)
        assert index_vectors(conn)
        assert index_is_ready(conn)


@pytest.mark.parametrize("dimensions", [256, 1536, 2000])
def test_vectors_up_to_a_page_are_stored_in_line(
    stores: None, monkeypatch: pytest.MonkeyPatch, dimensions: int
) -> None:
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(dimensions))
    settings.cache_clear()
    fill(50, dimensions)
    with connection() as conn:
        row = conn.execute(
            "SELECT pg_relation_size(reltoastrelid) FROM pg_class"
            " WHERE oid = 'student_embeddings'::regclass"
        ).fetchone()
    assert row == (0,)


def test_larger_vectors_are_stored_all_the_same(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", "3072")
    settings.cache_clear()
    fill(5, 3072)
    with connection() as conn:
        found = conn.execute("SELECT count(*) FROM student_embeddings WHERE vec IS NOT NULL")
        assert found.fetchone() == (5,)


def test_30000_updates_do_not_bloat_the_tables(stores: None) -> None:
    rng = np.random.default_rng(12)
    ids = [f"S{i:04}" for i in range(1000)]
    store_vectors(dict(zip(ids, clustered(rng, len(ids), 256), strict=True)))
    drain()
    vectors_before, edges_before = size("student_embeddings"), size("student_similarity")
    for start in range(0, UPDATES, 500):
        moved = [ids[(start + i) % len(ids)] for i in range(500)]
        replace_vectors(moved, clustered(rng, 500, 256))
        drain()
    assert size("student_embeddings") < 2 * vectors_before
    assert size("student_similarity") < 2 * edges_before


@pytest.mark.parametrize("indexed", [False, True])
def test_updates_vacuum_edges_and_vectors_unless_these_are_indexed(
    stores: None, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    rng = np.random.default_rng(13)
    ids = [f"S{i:03}" for i in range(600)]
    store_vectors(dict(zip(ids, clustered(rng, len(ids), 256), strict=True)))
    if indexed:
        monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
        monkeypatch.setenv("ANN_SEARCH_MAX_STUDENTS", "0")
        settings.cache_clear()
        with connect() as conn:
            assert index_vectors(conn)
    drain()
    assert vacuumed("student_similarity")
    assert vacuumed("student_embeddings") is not indexed
    ((options,),) = rows("SELECT reloptions FROM pg_class WHERE relname = 'student_embeddings'")
    assert ("autovacuum_vacuum_scale_factor=0.2" in options) is indexed


def vacuumed(table: str) -> bool:
    """Whether somebody has vacuumed it who is not autovacuum."""
    with connection() as conn:
        conn.execute("SELECT pg_stat_force_next_flush()")
        row = conn.execute(
            "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = %s", [table]
        ).fetchone()
    return row is not None and row[0] > 0


def replace_vectors(ids: list[str], vectors: np.ndarray) -> None:
    with transaction() as conn:
        conn.cursor().executemany(
            "UPDATE student_embeddings SET vec = %b WHERE student_id = %s",
            list(zip(vectors, ids, strict=True)),
        )
        raise_neighbors(conn, ids)


def test_a_vector_of_another_length_than_it_says_is_refused(stores: None) -> None:
    with pytest.raises(psycopg.errors.CheckViolation), connection() as conn:
        conn.execute("INSERT INTO students VALUES ('S1')")
        conn.execute(
            "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
            " VALUES ('S1', 'm', 3, sha256('x'), '[1,2]')"
        )
