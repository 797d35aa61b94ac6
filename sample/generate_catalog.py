"""Completes the sample catalogue: series, descriptions, languages, and the copies of each book.

Reads series.csv, descriptions.csv and checkouts.csv beside this file and writes what they say into
catalog.csv, always the same: a second run changes nothing.
"""

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SEED = 20261102
# Every copy of the sample is an English edition.
LANGUAGE = "en"
# How many copies a library like this buys of a book, and how often.
COPIES = {1: 60, 2: 30, 3: 10}
# One record in thirty says nothing of its copies, as real ones do.
UNCOUNTED = 1 / 30
ADDED_COLUMNS = ("language", "series", "series_number", "copies_total", "copies_available")

Row = dict[str, str]


@dataclass(frozen=True)
class Loan:
    """A loan as two ISO dates; one that is still out has no return date."""

    taken: str
    returned: str


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file by their column names."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_loans(path: Path) -> dict[str, list[Loan]]:
    """The loans of each book that was borrowed at all."""
    loans: dict[str, list[Loan]] = defaultdict(list)
    for row in read_rows(path):
        loans[row["book_id"]].append(Loan(row["checkout_date"], row["return_date"]))
    return loans


def most_out_at_once(loans: Iterable[Loan]) -> int:
    """How many copies a book's loans need; one returned on a day is lent again on that day."""
    changes: Counter[tuple[str, int]] = Counter()
    for loan in loans:
        changes[loan.taken, 1] += 1
        if loan.returned:
            changes[loan.returned, -1] += 1
    out = most = 0
    for (_, direction), count in sorted(changes.items()):
        out += direction * count
        most = max(most, out)
    return most


def count_copies(rng: random.Random, loans: Sequence[Loan]) -> tuple[int, int]:
    """Copies in all, enough for the loans, and those that stand on the shelf after the last day."""
    (bought,) = rng.choices(list(COPIES), list(COPIES.values()))
    total = max(bought, most_out_at_once(loans))
    return total, total - sum(not loan.returned for loan in loans)


def complete(
    row: Row,
    series: Mapping[str, Row],
    descriptions: Mapping[str, str],
    copies: tuple[int, int] | None,
) -> Row:
    """A catalogue row with what the other files say of its book; what is not known stays blank."""
    volume = series.get(row["book_id"], {})
    total, available = copies or ("", "")
    return row | {
        "description": descriptions.get(row["book_id"], row["description"]),
        "language": LANGUAGE,
        "series": volume.get("series", ""),
        "series_number": volume.get("series_number", ""),
        "copies_total": str(total),
        "copies_available": str(available),
    }


def main() -> None:
    """Writes the catalogue and says what it holds."""
    rng = random.Random(SEED)
    loans = read_loans(HERE / "checkouts.csv")
    series = {row["book_id"]: row for row in read_rows(HERE / "series.csv")}
    descriptions = {
        row["book_id"]: row["description"] for row in read_rows(HERE / "descriptions.csv")
    }
    rows = []
    for row in read_rows(HERE / "catalog.csv"):
        copies = count_copies(rng, loans.get(row["book_id"], []))
        counted = copies if rng.random() >= UNCOUNTED else None
        rows.append(complete(row, series, descriptions, counted))
    columns = [name for name in rows[0] if name not in ADDED_COLUMNS] + list(ADDED_COLUMNS)
    with (HERE / "catalog.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    described = sum(bool(row["description"]) for row in rows)
    volumes = sum(bool(row["series"]) for row in rows)
    print(f"catalog.csv {len(rows)} rows, {described} described, {volumes} of a series")


if __name__ == "__main__":
    main()
