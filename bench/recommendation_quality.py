"""Recommendations on MovieLens 100K against their baselines, in one run.

`python -m bench.recommendation_quality [--cache DIR] [--in-time]`: the data are inside the wheel of
`recbole`, which pip fetches once into the cache. Each reader's last ten are held out (of those with
more than twenty); λ, the half-life and the weights are chosen on the ten before those. The
question is which film a reader rates next, so a low rating is a loan like others; what it does not
to count those, as the product does, is measured apart. Of films only titles and genres are known:
their vectors are of these, and neighbours are whose profiles' texts, made of the same, are near, by
the embedder that needs no key.
"""

import argparse
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.report import Figure, print_table, write_json
from workers.books.catalog import Book, build_catalog
from workers.books.evaluation import BLEND, POPULAR, Library, Report, evaluate
from workers.books.history import History
from workers.books.loans import Loans, hold_out_newest, make_loans, number_loans, split_in_time
from workers.books.quality_table import quality_table
from workers.core.vocabulary import SEMANTIC_MODEL, EmbeddingSpec
from workers.embedding.semantic import SemanticEmbedder
from workers.students import profile

WHEEL = "recbole==1.2.1"
FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
DIMENSIONS = 768
HALF_LIFE_DAYS = 30.0
SECONDS_OF_DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MovieLens:
    """Ratings as loans, in the file's order where times are equal, and the films."""

    loans: Loans
    library: Library


def main() -> None:
    """Print the table, and the figures against their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path(".kinfold/bench"))
    parser.add_argument("--in-time", action="store_true", help="hold out all loans after a moment")
    arguments = parser.parse_args()
    films = read_movielens(fetch(arguments.cache))
    split = split_in_time if arguments.in_time else hold_out_newest
    cpu = time.process_time()
    report = evaluate(without_ratings(films.loans), films.library, split=split)
    figures = [*figures_of(report), Figure("evaluation, CPU", time.process_time() - cpu, "s")]
    print("\n".join(quality_table(report)))
    rated = evaluate(films.loans, films.library, split=split, with_ials=False)
    uncounted = rated.of(BLEND).ndcg.mean
    figures.append(
        Figure(
            "NDCG@10 of the blend, low ratings not counted",
            uncounted,
            "",
            BLEND,
            uncounted / report.of(BLEND).ndcg.mean,
        )
    )
    print_table("MovieLens 100K", figures)
    write_json("recommendation_quality", {"MovieLens 100K": figures})


def figures_of(report: Report) -> list[Figure]:
    """NDCG@10 of each way to recommend, against popular films, and the blend's coverage."""
    popular = report.of(POPULAR).ndcg.mean
    return [
        *(
            Figure(
                f"NDCG@10 of {system.name}",
                system.ndcg.mean,
                "",
                POPULAR,
                system.ndcg.mean / popular,
                system.ndcg.low,
                system.ndcg.high,
            )
            for system in report.systems
        ),
        Figure("coverage of the blend", report.of(BLEND).coverage, "of films"),
    ]


def fetch(cache: Path) -> Path:
    """Have pip bring the wheel, unless it is in the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob("recbole-*.whl")):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", WHEEL, "-d", str(cache)]
        subprocess.run(pip, check=True)
    return next(cache.glob("recbole-*.whl"))


def read_movielens(wheel: Path) -> MovieLens:
    """Read ratings and films out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        films = {film: (title, genres.split()) for film, title, _, genres in _rows(archive, "item")}
        ratings = _rows(archive, "inter")
    catalog = build_catalog(Book(film, genres=genres) for film, (_, genres) in films.items())
    chosen = [films[film] for film in catalog.book_ids]
    vectors = _embed([f"{title}. {', '.join(genres)}" for title, genres in chosen])
    loans, _ = number_loans(
        (
            (reader, film, float(second) / SECONDS_OF_DAY, float(stars))
            for reader, film, stars, second in ratings
        ),
        catalog,
    )

    def profiles_of(known: Loans, _histories: list[History]) -> Floats:
        return _embed([_profile_text(known, own, chosen) for own in known.by_student()])

    return MovieLens(loans, Library(catalog, vectors, profiles_of=profiles_of))


def without_ratings(loans: Loans) -> Loans:
    """Make the same loans, of which nobody said whether they were liked."""
    return make_loans(loans.students, loans.books, loans.times, shape=loans.shape)


def _profile_text(
    loans: Loans, own: npt.NDArray[np.int32], chosen: list[tuple[str, list[str]]]
) -> str:
    """Render the text of a reader's profile as the product does."""
    if not len(own):
        return ""
    days = [date.fromordinal(EPOCH + int(day)) for day in loans.times[own]]
    films = [chosen[row] for row in loans.books[own]]
    found = profile.build_profile(
        [
            profile.Loan(str(row), day, None, title, None, genres, (), None, None)
            for row, day, (title, genres) in zip(loans.books[own], days, films, strict=True)
        ],
        today=max(days),
        half_life_days=HALF_LIFE_DAYS,
    )
    return profile.render_text(found)


def _embed(texts: list[str]) -> Floats:
    embedder = SemanticEmbedder(EmbeddingSpec(SEMANTIC_MODEL, DIMENSIONS))
    return np.asarray(embedder.embed_batch(texts), np.float32)


def _rows(archive: zipfile.ZipFile, part: str) -> list[list[str]]:
    lines = archive.read(f"{FOLDER}.{part}").decode().splitlines()
    return [line.split("\t") for line in lines[1:]]


if __name__ == "__main__":
    main()
