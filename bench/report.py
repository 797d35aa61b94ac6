"""One table on the screen, the same figures as JSON, and plots of them."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

# A run of all benches gathers the results of each elsewhere first.
RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parent / "results")


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    `against` names its baseline or limit, `ratio` is figure to baseline. Of several runs the
    figure is the median, `lowest` and `highest` the spread.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    lowest: float | None = None
    highest: float | None = None


def machine() -> dict[str, object]:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "platform": platform.machine(),
        "python": platform.python_version(),
    }


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """The figures in columns."""
    print(f"\n{title}")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        ratio = f"{figure.ratio:9.2f} x {figure.against}" if figure.ratio is not None else ""
        spread = (
            f" ({figure.lowest:,.4g} to {figure.highest:,.4g})"
            if figure.lowest is not None and figure.highest is not None
            else ""
        )
        print(f"  {figure.name:<{width}}  {figure.value:>12,.4g} {figure.unit:<10} {ratio}{spread}")


def write_json(stem: str, sections: Mapping[str, Sequence[Figure]]) -> Path:
    """bench/results/{stem}.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{stem}.json"
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "sections": {
            title: [asdict(figure) for figure in figures] for title, figures in sections.items()
        },
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
