"""The originals' design: for each event one text, one vector, one search, fifteen rows."""

import time
from itertools import islice

from bench.library import loans
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.embedding.embedders import embedder
from workers.ingest.record import record_events
from workers.students.profile import render_text
from workers.students.recompute import _draft


def seconds_per_event(students: int, count: int) -> float:
    """Record events one by one and follow each with its student's vector and list."""
    _create()
    events = list(islice(loans(students, seed=1), count))
    started = time.perf_counter()
    for event in events:
        record_events([event])
        _follow(event.student_id)
    elapsed = (time.perf_counter() - started) / count
    with connection() as conn:
        conn.execute("DROP TABLE originals_embeddings, originals_similarity")
    return elapsed


def _create() -> None:
    with transaction() as conn:
        conn.execute(
            "CREATE TABLE originals_embeddings"
            f" (student_id text PRIMARY KEY, vec vector({settings().embedding_dimensions}))"
        )
        conn.execute(
            "INSERT INTO originals_embeddings SELECT student_id, vec FROM student_embeddings"
        )
        conn.execute(
            "CREATE TABLE originals_similarity"
            " (a text, b text, sim real, last_event uuid, PRIMARY KEY (a, b))"
        )
        conn.execute("SET LOCAL maintenance_work_mem = '512MB'")
        conn.execute(
            "CREATE INDEX ON originals_embeddings USING ivfflat (vec vector_cosine_ops)"
            " WITH (lists = 32)"
        )


def _follow(student_id: str) -> None:
    text = render_text(_draft([student_id])[student_id].profile)
    (vector,) = embedder(settings().student_embedding).embed_batch([text])
    with transaction() as conn:
        conn.execute(
            "UPDATE originals_embeddings SET vec = %s WHERE student_id = %s", [vector, student_id]
        )
        conn.execute("DELETE FROM originals_similarity WHERE a = %s", [student_id])
        found = conn.execute(
            "WITH src AS (SELECT vec FROM originals_embeddings WHERE student_id = %(id)s)"
            " SELECT e.student_id, 1 - (e.vec <=> src.vec) AS sim"
            " FROM originals_embeddings e, src WHERE e.student_id <> %(id)s"
            " ORDER BY e.vec <=> src.vec LIMIT 15",
            {"id": student_id},
        ).fetchall()
        conn.cursor().executemany(
            "INSERT INTO originals_similarity VALUES (%s, %s, %s, NULL)",
            [(student_id, b, sim) for b, sim in found],
        )
