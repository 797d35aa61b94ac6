"""A catalogue of any size that reads like the sample's: titles, names, genres, levels, vectors.

Genres go together with keywords and descriptions as they do in the sample; titles are made from a
few hundred words, so that some words are in very many of them, as in real catalogues.
"""

import csv
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector

from workers.books.vectors import BookRow, render_book
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.embedding.embedders import embedder
from workers.operations.load_sample import SAMPLE

WORDS: dict[str, list[str]] = json.loads((Path(__file__).parent / "catalog_words.json").read_text())
BLOCK = 2000


@dataclass(frozen=True)
class Sampled:
    """What books of one genre have in the sample."""

    genres: list[list[str]]
    keywords: list[str]
    descriptions: list[str]
    levels: list[float]


@dataclass(frozen=True)
class Drawn:
    """A book as it is stored, without its id."""

    title: str
    author: str
    genres: list[str]
    keywords: list[str]
    description: str | None
    level: float | None
    copies: int


def draw_books(count: int, seed: int = 0) -> list[Drawn]:
    """Draw books, always the same from one seed; one in twelve has no level."""
    rng = random.Random(seed)  # noqa: S311  # hides nothing
    sampled = _sampled()
    authors = [f"{rng.choice(WORDS['first_names'])} {_surname(rng)}" for _ in range(count // 8 + 1)]
    return [_draw(rng, sampled, authors) for _ in range(count)]


def store_books(books: list[Drawn]) -> NDArray[np.float16]:
    """Write books and their vectors by COPY; returns the vectors as they are stored, by row."""
    spec = settings().student_embedding
    found = embedder(spec)
    vectors = np.empty((len(books), spec.dimensions), np.float16)
    for start in range(0, len(books), BLOCK):
        some = books[start : start + BLOCK]
        ids = [book_id(start + place) for place in range(len(some))]
        embedded = found.embed_batch([_text(each) for each in some]).astype(np.float16)
        vectors[start : start + len(some)] = embedded
        with transaction() as conn, conn.cursor() as cursor:
            with cursor.copy(
                "COPY books (book_id, title, author, genre, keywords, description, reading_level,"
                " copies_total, copies_available, language) FROM STDIN"
            ) as copy:
                for key, book in zip(ids, some, strict=True):
                    copy.write_row(
                        (
                            *(key, book.title, book.author, book.genres, book.keywords),
                            *(book.description, book.level, 3, book.copies, "en"),
                        )
                    )
            with cursor.copy(
                "COPY book_embeddings (book_id, model, dimensions, content_hash, vec)"
                " FROM STDIN WITH (FORMAT binary)"
            ) as copy:
                copy.set_types(["text", "text", "int2", "bytea", "halfvec"])
                for key, vector in zip(ids, embedded, strict=True):
                    copy.write_row(
                        (key, spec.model, spec.dimensions, b"\0" * 32, HalfVector(vector))
                    )
    return vectors


def book_id(row: int) -> str:
    """Name the book of a row."""
    return f"B{row:06}"


def _text(book: Drawn) -> str:
    return render_book(
        BookRow(
            "",
            book.title,
            book.author,
            None,
            book.genres,
            book.keywords,
            book.description,
            None,
            None,
        )
    )


def _draw(rng: random.Random, sampled: list[Sampled], authors: list[str]) -> Drawn:
    (of,) = rng.choices(sampled, [len(each.genres) for each in sampled])
    level = round(min(max(rng.choice(of.levels) + rng.gauss(0, 0.7), 0), 13), 1)
    return Drawn(
        title=_title(rng),
        # Few write much, many write little.
        author=authors[int(len(authors) * rng.random() ** 2)],
        genres=rng.choice(of.genres),
        keywords=rng.sample(of.keywords, rng.randint(2, 5)),
        description=rng.choice(of.descriptions) if of.descriptions and rng.random() < 0.5 else None,
        level=level if rng.random() >= 1 / 12 else None,
        copies=rng.randint(0, 3),
    )


def _title(rng: random.Random) -> str:
    adjective = rng.choice(WORDS["adjectives"])
    noun, other = rng.choice(WORDS["nouns"]), rng.choice(WORDS["nouns"])
    name, place = rng.choice(WORDS["first_names"]), rng.choice(WORDS["places"])
    return rng.choice(
        (
            f"The {adjective} {noun}",
            f"{name} and the {adjective} {noun}",
            f"The {noun} of {_surname(rng)} {place}",
            f"{name}'s {adjective} {noun}",
            f"The {noun} and the {adjective} {other}",
            f"A {noun} for {name}",
            f"How {name} Found the {noun}",
        )
    )


def _surname(rng: random.Random) -> str:
    return rng.choice(WORDS["name_beginnings"]) + rng.choice(WORDS["name_endings"])


def _sampled() -> list[Sampled]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (SAMPLE / "catalog.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[json.loads(row["genre"])[0]].append(row)
    return [
        Sampled(
            [json.loads(row["genre"]) for row in some],
            sorted({keyword for row in some for keyword in json.loads(row["keywords"])}),
            [row["description"] for row in some if row["description"]],
            [float(row["reading_level"]) for row in some if row["reading_level"]],
        )
        for some in rows.values()
    ]
