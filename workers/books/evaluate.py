"""`python -m workers.books.evaluate CATALOG CHECKOUTS`: figures on a library's own loans.

The library is that of CSV files; nothing is stored, and no setting is read.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workers.books.evaluation import Library, evaluate
from workers.books.loan_files import Notes, read_loans_of, read_shelf
from workers.books.loans import Loans, Split, hold_out_newest, make_loans, split_in_time
from workers.books.projection import SAMPLE, fit_projection
from workers.books.quality_table import quality_table
from workers.books.tuning import FEWEST_READERS
from workers.core.errors import CsvFormatError
from workers.core.vocabulary import SEMANTIC_MODEL, EmbeddingSpec
from workers.embedding.semantic import SemanticEmbedder

# As many as the product's vectors have unless a setting says otherwise.
DIMENSIONS = 1536
EMBED_AT_ONCE = 500
# Of each reader's loans, where no moment parts enough readers' loans.
HELD_OUT_SHARE = 0.2
MOST_HELD_OUT = 10

Floats = npt.NDArray[np.float32]


def main() -> int:
    """Print the table of figures for two CSV files; 2 if one cannot be read, 1 if they say nothing.

    What was passed over in the files goes to stderr.
    """
    arguments = _arguments()
    notes = Notes()
    try:
        shelf = read_shelf(arguments.catalog.read_bytes(), notes)
        loans = read_loans_of(shelf, arguments.checkouts.read_bytes(), notes)
    except (CsvFormatError, OSError) as error:
        print(f"{error}", file=sys.stderr)  # noqa: T201  # a command's answer
        return 2
    for line in notes.lines():
        print(line, file=sys.stderr)  # noqa: T201  # as above
    if arguments.ignore_ratings:
        loans = make_loans(loans.students, loans.books, loans.times, shape=loans.shape)
    split, said = choose_split(loans, arguments.last)
    print(said)  # noqa: T201  # as above
    if not len(split(loans).readers):
        print("nobody has loans both before and after: there is nothing to judge by")  # noqa: T201
        return 1
    report = evaluate(loans, Library(shelf.catalog, _vectors(shelf.texts)), split=split)
    print("\n".join(quality_table(report)))  # noqa: T201  # as above
    return 0


def choose_split(loans: Loans, last: int | None) -> tuple[Callable[[Loans], Split], str]:
    """Choose what is held out, and say it in a sentence.

    Each reader's newest `last` loans if that is asked for. Otherwise the newest tenth of all loans,
    everyone's from one moment on; and a fifth of each reader's, ten at most, where that moment, or
    the one before it on which everything is chosen, leaves too few readers.
    """
    if last is None:
        test = split_in_time(loans)
        window = split_in_time(test.known)
        if min(len(test.readers), len(window.readers)) >= FEWEST_READERS:
            return split_in_time, "held out: the newest tenth of all loans"
        counts = np.bincount(loans.students)
        last = int(np.clip(np.median(counts) * HELD_OUT_SHARE, 1, MOST_HELD_OUT))
    split = partial(hold_out_newest, count=last, at_least=2 * last)
    return split, f"held out: the newest {last} of each reader with more than {2 * last} loans"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evaluate recommendations on loans of CSV files.")
    parser.add_argument("catalog", type=Path, help="books: book_id, and what else is known of them")
    parser.add_argument(
        "checkouts",
        type=Path,
        help="loans: student_id, book_id, checkout_date (ISO 8601), student_rating if known",
    )
    parser.add_argument(
        "--last",
        type=_count,
        metavar="N",
        help="hold out each reader's newest N loans instead of all after one moment",
    )
    parser.add_argument(
        "--ignore-ratings",
        action="store_true",
        help="count a book that was rated 1 or 2 as any other",
    )
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"not a number of loans: {text!r}")
    return int(text)


def _vectors(texts: Sequence[str]) -> Floats:
    """Embed books as the product does without a provider; zeros for a text that says nothing."""
    embedder = SemanticEmbedder(EmbeddingSpec(SEMANTIC_MODEL, DIMENSIONS))
    drawn = np.random.default_rng(0).permutation(len(texts))[:SAMPLE]
    projection = fit_projection(embedder.embed_batch([texts[place] for place in np.sort(drawn)]))
    return np.concatenate(
        [
            projection.project(
                np.asarray(embedder.embed_batch(list(texts[start : start + EMBED_AT_ONCE])))
            )
            for start in range(0, len(texts), EMBED_AT_ONCE)
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
