"""Recommendations on MovieLens 100K against their baselines, in one run.

`python -m bench.recommendation_quality [--cache DIR] [--in-time]`: the data are inside the wheel of
`recbole`, which pip fetches once into the cache. Each reader's last ten are held out (of those with
more than twenty); λ, the half-life and the weights are chosen on the ten before those. The
question is which film a reader rates next, so a low rating is a loan like others; what it costs to
subtract those, as for a child who disliked a book, is measured apart. MovieLens has titles and
genres only: books' vectors are those hashed, and neighbours are by the mean of these, which stands
in for the profile's text.
"""

import argparse
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.report import Figure, print_table, write_json
from workers.books.catalog import Book, build_catalog
from workers.books.evaluate import BLEND, POPULAR, Library, Report, evaluate
from workers.books.loans import Loans, hold_out_newest, make_loans, number_loans, split_in_time
from workers.books.quality_table import quality_table
from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.hashing import HashingEmbedder

WHEEL = "recbole==1.2.1"
FOLDER = "recbole/dataset_example/ml-100k/ml-100k"
DIMENSIONS = 512
SECONDS_OF_DAY = 86_400


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
    subtracted = rated.of(BLEND).ndcg.mean
    figures.append(
        Figure(
            "NDCG@10 of the blend, low ratings subtracted",
            subtracted,
            "",
            BLEND,
            subtracted / report.of(BLEND).ndcg.mean,
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
        films = _rows(archive, "item")
        ratings = _rows(archive, "inter")
    catalog = build_catalog(Book(film, genres=genres.split()) for film, _, _, genres in films)
    texts = {film: f"{title}. {', '.join(genres.split())}" for film, title, _, genres in films}
    embedder = HashingEmbedder(EmbeddingSpec(model="hashing", dimensions=DIMENSIONS))
    vectors = embedder.embed_batch([texts[film] for film in catalog.book_ids])
    loans, _ = number_loans(
        (
            (reader, film, float(second) / SECONDS_OF_DAY, float(stars))
            for reader, film, stars, second in ratings
        ),
        catalog,
    )
    return MovieLens(loans, Library(catalog, np.asarray(vectors, np.float32)))


def without_ratings(loans: Loans) -> Loans:
    """Make the same loans, of which nobody said whether they were liked."""
    return make_loans(loans.students, loans.books, loans.times, shape=loans.shape)


def _rows(archive: zipfile.ZipFile, part: str) -> list[list[str]]:
    lines = archive.read(f"{FOLDER}.{part}").decode().splitlines()
    return [line.split("\t") for line in lines[1:]]


if __name__ == "__main__":
    main()
