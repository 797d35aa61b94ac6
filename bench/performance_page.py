"""The figures of latest.json in the README and in docs/performance.md, between two comments.

A test makes them again and compares, so that no figure there is typed by hand.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "performance.md"
FIGURES = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A row of the README's table: a label, and the figures that it shows, in order."""

    label: str
    bench: str
    section: str
    figures: tuple[str, ...]


README_ROWS = (
    Shown(
        "Events accepted, lists of 1,000 (share of a bare COPY)",
        "events",
        "events",
        ("lists of 1,000",),
    ),
    Shown(
        "Events accepted, single requests over 100 connections that always ask, p99",
        "events",
        "events",
        ("single, 100 connections", "single, 100 connections, p99"),
    ),
    Shown(
        "Single requests at 1,000 a second over 100 connections: p50, p99",
        "events",
        "events",
        (
            "single, 100 connections, 1,000 a second, p50",
            "single, 100 connections, 1,000 a second, p99",
        ),
    ),
    Shown(
        "A student, over 16 connections that always ask (share of a route that does nothing), p99",
        "reads",
        "reads, 10,000 students",
        (
            "/students/{student_id}, 16 connections",
            "/students/{student_id}, 16 connections, p99",
        ),
    ),
    Shown(
        "Neighbours of a student, the same, p99",
        "reads",
        "reads, 10,000 students",
        (
            "/students/{student_id}/neighbors, 16 connections",
            "/students/{student_id}/neighbors, 16 connections, p99",
        ),
    ),
    Shown(
        "Neighbours of a student, 500 a second over 16 connections: p50, p99",
        "reads",
        "reads, 10,000 students",
        (
            "/students/{student_id}/neighbors, 16 connections, 500 a second, p50",
            "/students/{student_id}/neighbors, 16 connections, 500 a second, p99",
        ),
    ),
    Shown(
        "Event → embedding and both directions of neighbours fresh, 10,000 students, 50 events/s:"
        " p50, p95",
        "recompute",
        "10,000 students",
        ("50 events/s: neighbours fresh, p50", "50 events/s: neighbours fresh, p95"),
    ),
    Shown(
        "The same with 100,000 students: p50, p95",
        "recompute",
        "100,000 students",
        ("50 events/s: neighbours fresh, p50", "50 events/s: neighbours fresh, p95"),
    ),
    Shown(
        "CPU per 1,000 updates at 50 events/s, Postgres and Redis included, 10,000 students",
        "recompute",
        "10,000 students",
        ("50 events/s: CPU per 1,000 updates",),
    ),
    Shown(
        "The same with 100,000 students",
        "recompute",
        "100,000 students",
        ("50 events/s: CPU per 1,000 updates",),
    ),
    Shown(
        "Provider inputs per changed student",
        "recompute",
        "10,000 students",
        ("50 events/s: provider inputs per changed student",),
    ),
    Shown(
        "Neighbour updates, 10,000 students (against the design it replaces)",
        "neighbors",
        "10,000 students x 1536",
        ("updates with both directions, 1 worker",),
    ),
    Shown(
        "Neighbour updates, 100,000 students (against the design it replaces)",
        "neighbors",
        "100,000 students x 1536",
        ("updates with both directions, 1 worker",),
    ),
    Shown(
        "Recall@15 after churn, 10,000 students",
        "neighbors",
        "10,000 students x 1536",
        ("recall@15 after this churn",),
    ),
    Shown(
        "Recall@15 after churn, 100,000 students",
        "neighbors",
        "100,000 students x 1536",
        ("recall@15 after this churn",),
    ),
    Shown(
        "Documents hashed locally and stored, 1,000,000 in a run",
        "documents_1m",
        "1,000,000 documents through the queue, Redis with libc",
        ("documents embedded and stored",),
    ),
    Shown(
        "A document's vector in Redis, int8, 300 components, all in",
        "documents_1m",
        "1,000,000 documents through the queue, Redis with libc",
        ("store, int8 at 300 dimensions, all in",),
    ),
    Shown(
        "A document's vector read and decoded: p50, p99",
        "documents_1m",
        "lookups among 1,000,000 documents, Redis with libc",
        ("1 through workers, p50", "1 through workers, p99"),
    ),
    Shown(
        "Search by meaning and words among 10,000 books: p50, p99",
        "search",
        "10,000 books x 1536",
        ("search, all of these, p50", "search, all of these, p99"),
    ),
    Shown(
        "The same among 100,000 books: p50, p99",
        "search",
        "100,000 books x 1536",
        ("search, all of these, p50", "search, all of these, p99"),
    ),
    Shown(
        "Users' interests, 1,000,000 actions (against the design it replaces)",
        "users",
        "20,000 users, 50,000 posts, 1,000,000 actions",
        ("second run, vectors replaced, index kept",),
    ),
    Shown(
        "Recommendations among 50,000 posts: p50, p99",
        "users",
        "20,000 users, 50,000 posts, 1,000,000 actions",
        ("recommendations, p50", "recommendations, p99"),
    ),
)

Document = Mapping[str, Any]


def update_page(results: Path) -> None:
    """Write the figures of `results` into both pages."""
    document = json.loads(results.read_text())
    for page in (README, PAGE):
        page.write_text(with_figures(page.read_text(), document))


def with_figures(text: str, document: Document) -> str:
    """A page's text with the figures of a results document between its comments."""
    return FIGURES.sub(lambda found: found[1] + _figures(found[2], document) + found[3], text)


def _figures(what: str, document: Document) -> str:
    if what == "readme":
        return _readme_table(document)
    bench = document["benches"].get(what)
    if bench is None:
        return "\nNot measured yet.\n\n"
    return "".join(
        f"\n**{title}**\n\n{_table(figures)}\n" for title, figures in bench["sections"].items()
    )


def _readme_table(document: Document) -> str:
    rows = []
    for shown in README_ROWS:
        section = (
            document["benches"].get(shown.bench, {}).get("sections", {}).get(shown.section, [])
        )
        by_name = {figure["name"]: figure for figure in section}
        if all(name in by_name for name in shown.figures):
            values = ", ".join(_value(by_name[name]) for name in shown.figures)
            ratio = by_name[shown.figures[0]]["ratio"]
            rows.append(f"| {shown.label} | {values} | {_ratio(ratio)} |\n")
    machine = document["machine"]
    head = f"| On {machine['cpus']} cores, everything on one machine | | Ratio |\n|---|---|---|\n"
    return f"\n{head}{''.join(rows)}\n"


def _table(figures: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        f"| {figure['name']} | {_value(figure)} | {_spread(figure)} | {_against(figure)} |\n"
        for figure in figures
    ]
    return "| | Figure | Spread | Against |\n|---|---|---|---|\n" + "".join(rows)


def _value(figure: Mapping[str, Any]) -> str:
    return f"{_number(figure['value'])} {figure['unit']}".strip()


def _spread(figure: Mapping[str, Any]) -> str:
    if figure.get("lowest") is None:
        return ""
    return f"{_number(figure['lowest'])} to {_number(figure['highest'])}"


def _against(figure: Mapping[str, Any]) -> str:
    if figure["ratio"] is None:
        return ""
    return f"{_ratio(figure['ratio'])} of {figure['against']}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{_number(ratio)} x"


def _number(value: float) -> str:
    """Three or four digits that say something.

    >>> _number(1178.3), _number(0.99014), _number(7.681), _number(1.4e-08)
    ('1,178', '0.9901', '7.68', '1.4e-08')
    """
    if value and abs(value) < 1e-4:
        return f"{value:.2g}"
    if abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    update_page(ROOT / "bench" / "results" / "latest.json")
