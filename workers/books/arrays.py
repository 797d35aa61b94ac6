"""This process's scoring arrays: catalogue, weights, vectors, trends; loaded once, then followed.

What is read here may be some seconds old; what must not be (a student's loans and verdicts, the
staff's picks, whether a book is still there) is asked for with each answer.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from workers.books.book_weights import place_in_catalog
from workers.books.catalog import Book, Catalog, build_catalog
from workers.books.model_store import read_weights
from workers.books.projection import SAMPLE, Projection, fit_projection
from workers.books.reader_loans import ReaderLoans
from workers.books.score import BookArrays
from workers.books.terms import bayesian_rating
from workers.books.trends import TREND_DAYS, grade_row, trending
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection

READ_STAMP = query("books/arrays.read_stamp")
READ_BOOKS = query("books/arrays.read_books")
READ_VECTORS = query("books/arrays.read_vectors")
READ_SAMPLE = query("books/arrays.read_sample")
READ_POPULARITY = query("books/arrays.read_popularity")
READ_RECENT = query("books/arrays.read_recent")

# How often a change of the catalogue is looked for.
LOOK_S = 2.0
# A catalogue that changes all day (each loan changes what is available) is laid out anew no more
# often than this.
CATALOG_S = 15.0
# Popularity and trends count all loans, and move slowly.
TRENDS_S = 600.0
FETCH = 2000
# Before any time that Postgres has written.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Floats = npt.NDArray[np.float32]

log = structlog.get_logger()


@dataclass(frozen=True)
class Vectors:
    """Books' projected vectors by id, of one model; `until` is the newest that is among them."""

    model: str
    projection: Projection | None = None
    rows: dict[str, Floats] = field(default_factory=dict)
    until: datetime = NEVER
    fitted_to: int = 0

    @property
    def outgrown(self) -> bool:
        """Whether the projection was fitted to too few of these vectors."""
        return self.fitted_to < min(SAMPLE, len(self.rows) // 2)


@dataclass(frozen=True)
class ScoringArrays:
    """What scoring knows of all books, and of which model and moment it is."""

    books: BookArrays
    model_id: int | None
    vectors: Vectors
    titles: Mapping[str, tuple[str, str | None]]
    stamp: datetime | None
    trends_at: float = 0.0

    @property
    def catalog(self) -> Catalog:
        """The books, by row."""
        return self.books.catalog


class Scoring:
    """Holds a process's arrays and keeps them up with Postgres from a thread of its own."""

    def __init__(self) -> None:
        self._arrays: ScoringArrays | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._catalog_at = 0.0
        self._loans: ReaderLoans | None = None

    def current(self, model_id: int | None) -> ScoringArrays:
        """Give the arrays of this model; loads them when none or another one's are there.

        Raises:
            psycopg.Error: Postgres failed, and nothing has been loaded before.
        """
        arrays = self._arrays
        if arrays is not None and arrays.model_id == model_id:
            return arrays
        with self._lock:
            arrays = self._arrays
            if arrays is None or arrays.model_id != model_id:
                with connection() as conn:
                    arrays = _load(conn, arrays, model_id)
                self._arrays = arrays
            self._follow()
        return arrays

    def reader_loans(self, catalog: Catalog, half_life: float) -> ReaderLoans:
        """Give the loans of neighbours that this process keeps, in the rows of this catalogue."""
        loans = self._loans
        if loans is None or not loans.fits(catalog, half_life):
            loans = self._loans = ReaderLoans(catalog, half_life)
        return loans

    def known(self) -> ScoringArrays | None:
        """Give what was loaded last, asking nobody."""
        return self._arrays

    def refresh(self) -> None:
        """Bring the arrays up with the catalogue now."""
        with self._lock:
            arrays = self._arrays
            if arrays is not None:
                with connection() as conn:
                    self._arrays = _load(conn, arrays, arrays.model_id)

    def close(self) -> None:
        """Stop following, and forget the arrays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=LOOK_S)
        self._arrays = None

    def _follow(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), daemon=True)
            self._thread.start()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_S):
            try:
                self._look()
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("scoring_arrays_not_followed", error=str(error))

    def _look(self) -> None:
        arrays = self._arrays
        now = time.monotonic()
        if arrays is None or now - self._catalog_at < CATALOG_S:
            return
        with connection() as conn:
            stamp = _stamp(conn)
        if stamp != arrays.stamp or now - arrays.trends_at > TRENDS_S:
            self._catalog_at = now
            self.refresh()


def load_arrays() -> ScoringArrays:
    """Load the catalogue, its books' vectors and trends, without a model, for one use.

    Raises:
        psycopg.Error: Postgres failed.
    """
    with connection() as conn:
        return _load(conn, None, None)


def _load(
    conn: psycopg.Connection, before: ScoringArrays | None, model_id: int | None
) -> ScoringArrays:
    """Load what differs from the arrays before."""
    started = time.monotonic()
    stamp = _stamp(conn)
    same_catalog = before is not None and before.stamp == stamp
    if before is not None and same_catalog:
        catalog, vectors, titles = before.catalog, before.vectors, before.titles
        matrix = before.books.vectors
    else:
        catalog, titles = _catalog(conn)
        vectors = _vectors(conn, None if before is None else before.vectors)
        matrix = _matrix(catalog, vectors)
    loaded = None if model_id is None else read_weights(conn, model_id)
    weights = None
    if loaded is not None:
        book_ids, stored = loaded
        rows = np.array([catalog.rows.get(book_id, -1) for book_id in book_ids], np.int32)
        weights = place_in_catalog(stored, rows, len(catalog))
    arrays = BookArrays(catalog, weights=weights, vectors=matrix)
    if before is not None and same_catalog and started - before.trends_at < TRENDS_S:
        old, trends_at = before.books, before.trends_at
        arrays = replace(
            arrays, trending=old.trending, rating=old.rating, popularity=old.popularity
        )
    else:
        arrays, trends_at = _with_trends(conn, arrays), started
    log.info(
        "scoring_arrays_loaded",
        books=len(catalog),
        vectors=len(vectors.rows),
        model_id=model_id,
        duration_s=round(time.monotonic() - started, 3),
    )
    return ScoringArrays(arrays, model_id, vectors, titles, stamp, trends_at)


def _stamp(conn: psycopg.Connection) -> datetime | None:
    row = conn.execute(READ_STAMP).fetchone()
    return row[0] if row else None


def _catalog(conn: psycopg.Connection) -> tuple[Catalog, dict[str, tuple[str, str | None]]]:
    """Read all books as arrays, and their titles and authors."""
    books: list[Book] = []
    titles: dict[str, tuple[str, str | None]] = {}
    with conn.cursor(row_factory=dict_row, binary=True) as cursor:
        cursor.execute(READ_BOOKS)
        while some := cursor.fetchmany(FETCH):
            for row in some:
                titles[row["book_id"]] = (row.pop("title"), row["author"])
                books.append(Book(**row))
    return build_catalog(books), titles


def _vectors(conn: psycopg.Connection, before: Vectors | None) -> Vectors:
    """Read the vectors written since those before; all of them when the model is another one."""
    spec = settings().student_embedding
    asked = {"model": spec.model, "dimensions": spec.dimensions}
    vectors = before
    if vectors is None or vectors.model != spec.model or vectors.outgrown:
        vectors = Vectors(spec.model)
    if vectors.projection is None:
        vectors = _fit(conn, vectors, asked)
    projection = vectors.projection
    if projection is None:
        return vectors
    rows, until = dict(vectors.rows), vectors.until
    with conn.cursor(binary=True) as cursor:
        cursor.execute(READ_VECTORS, {**asked, "since": vectors.until})
        while some := cursor.fetchmany(FETCH):
            projected = projection.project(np.stack([vector.to_numpy() for _, vector, _ in some]))
            rows |= {book_id: row for (book_id, _, _), row in zip(some, projected, strict=True)}
            until = max([until, *(updated_at for _, _, updated_at in some)])
    return replace(vectors, rows=rows, until=until)


def _fit(conn: psycopg.Connection, vectors: Vectors, asked: dict[str, object]) -> Vectors:
    rows = conn.cursor(binary=True).execute(READ_SAMPLE, {**asked, "size": SAMPLE}).fetchall()
    if not rows:
        return vectors
    sample = np.stack([vector.to_numpy() for (vector,) in rows]).astype(np.float32)
    return replace(vectors, projection=fit_projection(sample), fitted_to=len(rows))


def _matrix(catalog: Catalog, vectors: Vectors) -> Floats | None:
    if not vectors.rows or vectors.projection is None:
        return None
    width = vectors.projection.components.shape[1]
    matrix = np.zeros((len(catalog), width), np.float32)
    for row, book_id in enumerate(catalog.book_ids):
        found = vectors.rows.get(book_id)
        if found is not None:
            matrix[row] = found
    return matrix


def _with_trends(conn: psycopg.Connection, arrays: BookArrays) -> BookArrays:
    catalog = arrays.catalog
    size = len(catalog)
    popularity, totals, counts = (np.zeros(size, np.float32) for _ in range(3))
    for book_id, readers, total, count in conn.cursor(binary=True).execute(READ_POPULARITY):
        row = catalog.rows.get(book_id)
        if row is not None:
            popularity[row], totals[row], counts[row] = readers, total, count
    recent = conn.cursor(binary=True).execute(READ_RECENT, {"days": int(TREND_DAYS)}).fetchall()
    times = [count for _, _, _, count in recent]
    rows = np.array([catalog.rows.get(book_id, -1) for book_id, _, _, _ in recent], np.int32)
    ages = np.array([age for _, age, _, _ in recent], np.float64)
    grades = np.array([grade_row(grade) for _, _, grade, _ in recent], np.int32)
    return replace(
        arrays,
        popularity=popularity,
        rating=bayesian_rating(totals, counts),
        trending=trending(
            np.repeat(rows, times), np.repeat(ages, times), np.repeat(grades, times), size
        )
        if len(recent)
        else None,
    )
