"""An evaluation as lines to read at a terminal."""

from collections.abc import Iterator

from workers.books.evaluation import Report
from workers.books.ranking_quality import Interval


def quality_table(report: Report) -> Iterator[str]:
    """Yield the lines: what was asked, what was chosen, a row per way to recommend."""
    choice = report.choice
    yield (
        f"{report.readers:,} readers, {report.held_out:,} loans held out of "
        f"{report.known_loans + report.held_out:,}; all unread books ranked"
    )
    weights = choice.weights
    yield (
        f"chosen on an earlier window: λ {choice.ridge:g}, half-life {choice.half_life:g} loans, "
        f"readers {weights.readers:g}, content {weights.content:g}, "
        f"neighbors {weights.neighbors:g}, trending {weights.trending:g}"
    )
    yield ""
    heads = ("NDCG@10", "95 %", "recall@20", "coverage", "head", "novelty", "against the blend")
    widths = (9, 18, 11, 10, 7, 9, 28)
    name_width = max(len(system.name) for system in report.systems)
    yield " " * name_width + "".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True))
    for system in sorted(report.systems, key=lambda system: -system.ndcg.mean):
        cells = (
            f"{system.ndcg.mean:.4f}",
            _ends(system.ndcg),
            f"{system.recall.mean:.4f}",
            f"{system.coverage:.3f}",
            f"{system.head_share:.2f}",
            f"{system.novelty:.2f}",
            f"{system.against.mean:+.4f} {_ends(system.against)}",
        )
        yield f"{system.name:<{name_width}}" + "".join(
            f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True)
        )
    yield ""
    if report.newcomers:
        yield f"{report.newcomers:,} without loans before: NDCG@10 {report.newcomers_ndcg:.4f}"
    if report.unheard:
        yield (
            f"{report.unheard:,} loans of books that nobody had borrowed: "
            f"recall@20 {report.unheard_recall:.4f}"
        )
    yield from (f"not measured: {name}" for name in report.skipped)


def _ends(interval: Interval) -> str:
    return f"[{interval.low:.4f}, {interval.high:.4f}]"
