"""The tables that a CSV file can hold: columns, keys, and how a cell is read."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum

from workers.ingest.events import BookChanged, CheckoutAdded, StudentChanged

Cell = str | int | float | date | list[str] | None


class Table(StrEnum):
    """What a file can hold."""

    catalog = "catalog"
    students = "students"
    checkouts = "checkouts"


def _text(cell: str) -> str | None:
    return cell or None


def _integer(cell: str) -> int | None:
    if not cell:
        return None
    # Spreadsheets write whole numbers of a column with blanks as 4.0.
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0*)?", cell):
        raise ValueError(f"not a whole number: {cell[:40]!r}")
    return int(float(cell))


def _number(cell: str) -> float | None:
    if not cell:
        return None
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", cell):
        raise ValueError(f"not a number: {cell[:40]!r}")
    return float(cell)


def _date(cell: str) -> date | None:
    if not cell:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell):
        raise ValueError(f"not a date like 2026-01-31: {cell[:40]!r}")
    return date.fromisoformat(cell)


def _tags(cell: str) -> list[str]:
    """Read a JSON list of strings, or text with commas, semicolons or bars between the parts."""
    if not cell.startswith("["):
        return [part.strip() for part in re.split(r"[,;|]", cell) if part.strip()]
    try:
        tags = json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a JSON list: {error}") from None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("not a JSON list of texts")
    return [tag.strip() for tag in tags if tag.strip()]


COLUMNS: Mapping[Table, Mapping[str, Callable[[str], Cell]]] = {
    Table.catalog: {
        "book_id": _text,
        "title": _text,
        "author": _text,
        "isbn": _text,
        "genre": _tags,
        "difficulty_band": _text,
        "reading_level": _number,
        "publication_year": _integer,
        "page_count": _integer,
        "average_rating": _number,
        "keywords": _tags,
        "description": _text,
        "language": _text,
        "series": _text,
        "series_number": _number,
        "copies_total": _integer,
        "copies_available": _integer,
        "cover_url": _text,
    },
    Table.students: {
        "student_id": _text,
        "grade_level": _integer,
        "age": _integer,
        "homeroom_teacher": _text,
        "prior_year_reading_score": _number,
        "lunch_period": _text,
        "display_name": _text,
    },
    Table.checkouts: {
        "checkout_id": _text,
        "student_id": _text,
        "book_id": _text,
        "checkout_date": _date,
        "return_date": _date,
        "student_rating": _integer,
    },
}
OPTIONAL_COLUMNS = {
    *("keywords", "description", "language", "series", "series_number"),
    *("copies_total", "copies_available", "cover_url"),
    "display_name",
}
KEYS = {
    Table.catalog: ("book_id",),
    Table.students: ("student_id",),
    Table.checkouts: ("student_id", "book_id", "checkout_date"),
}
EVENT_TYPES = {
    Table.catalog: "book_added",
    Table.students: "student_added",
    Table.checkouts: "checkout_added",
}
MODELS: Mapping[Table, type[BookChanged] | type[StudentChanged] | type[CheckoutAdded]] = {
    Table.catalog: BookChanged,
    Table.students: StudentChanged,
    Table.checkouts: CheckoutAdded,
}
