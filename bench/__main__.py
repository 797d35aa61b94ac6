"""Every bench, one table, one file: `python -m bench [--quick]`, or `make bench`.

The full run writes bench/results/latest.json, its plots and the table of docs/performance.md; the
quick one, of some minutes, only prints. `--take documents_1m=FILE` adds what a bench has measured
on its own, which is how the long ones get there.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.performance_page import update_page
from bench.plots import plot_all
from bench.report import RESULTS, Figure, machine, print_table

Sections = dict[str, list[Figure]]


@dataclass(frozen=True)
class Bench:
    """A module of this package: how often it runs, and with which arguments."""

    module: str
    quick: tuple[str, ...]
    full: tuple[str, ...] = ()
    repeats: int = 3


BENCHES = (
    Bench("events", ("--seconds", "2")),
    Bench("reads", ("--students", "1000", "--seconds", "1")),
    Bench(
        "recompute",
        ("--students", "1000", "--rates", "50", "--seconds", "10"),
        ("--students", "10000", "100000"),
        repeats=1,
    ),
    Bench("scaling", ("--students", "500", "1000", "--changes", "200"), repeats=1),
    Bench("neighbors", ("--students", "2000"), repeats=1),
    Bench("documents", ("--documents", "5000")),
    Bench("embedder", ("--texts", "100")),
    Bench("ease", ("--books", "2000", "--loans", "200000"), repeats=1),
    Bench("search", ("--books", "2000", "--seconds", "1"), repeats=1),
    Bench("recommendation_quality", (), repeats=1),
    Bench("console", ("--messages", "5000", "--dead", "2000", "--seconds", "1"), repeats=1),
    Bench("users", ("--users", "1000", "--posts", "3000", "--actions", "30000"), repeats=1),
)


def main() -> None:
    """Run all of them and print what came."""
    parser = argparse.ArgumentParser(description="Measure everything.")
    parser.add_argument("--quick", action="store_true", help="smaller, once each, writes nothing")
    parser.add_argument("--only", nargs="+", default=[bench.module for bench in BENCHES])
    parser.add_argument("--take", nargs="+", default=[], metavar="NAME=FILE")
    arguments = parser.parse_args()
    if arguments.take:
        _publish(write(taken(arguments.take), measured_at=_measured_at(arguments.take)))
        return
    found: dict[str, Sections] = {}
    for bench in BENCHES:
        if bench.module in arguments.only:
            options = bench.quick if arguments.quick else bench.full
            repeats = 1 if arguments.quick else bench.repeats
            found[bench.module] = merge([run(bench.module, options) for _ in range(repeats)])
            for title, figures in found[bench.module].items():
                print_table(f"{bench.module}: {title}", figures)
    if not arguments.quick:
        _publish(write(found))


def taken(names_and_files: Sequence[str]) -> dict[str, Sections]:
    """Sections of results files by name; those of one name are put together."""
    found: dict[str, Sections] = {}
    for each in names_and_files:
        name, file = each.split("=", 1)
        found.setdefault(name, {}).update(_read(Path(file)))
    return found


def run(module: str, options: Sequence[str]) -> Sections:
    """One run in a process of its own; it shows its errors, and its table only at the end."""
    with tempfile.TemporaryDirectory() as results:
        subprocess.run(
            [sys.executable, "-m", f"bench.{module}", *options],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "BENCH_RESULTS": results},
        )
        return _read(Path(results) / f"{module}.json")


def _read(results: Path) -> Sections:
    return {
        title: [Figure(**figure) for figure in figures]
        for title, figures in json.loads(results.read_text())["sections"].items()
    }


def merge(runs: Sequence[Sections]) -> Sections:
    """The median of each figure, with its spread if there were several runs."""
    if len(runs) == 1:
        return runs[0]
    return {
        title: [_median(same) for same in zip(*(run[title] for run in runs), strict=True)]
        for title in runs[0]
    }


def write(found: dict[str, Sections], measured_at: str | None = None) -> Path:
    """Into latest.json; benches that were not run keep what they had."""
    path = RESULTS / "latest.json"
    known = json.loads(path.read_text())["benches"] if path.exists() else {}
    measured = measured_at or datetime.now(UTC).isoformat(timespec="seconds")
    benches = {
        module: {
            "measured_at": measured,
            "sections": {
                title: [asdict(f) for f in figures] for title, figures in sections.items()
            },
        }
        for module, sections in found.items()
    }
    document = {"machine": machine(), "benches": {**known, **benches}}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _publish(results: Path) -> None:
    plot_all(results)
    update_page(results)
    print(f"\nwritten: {results}")


def _measured_at(names_and_files: Sequence[str]) -> str:
    """When the oldest of these results was measured."""
    files = [Path(each.split("=", 1)[1]) for each in names_and_files]
    return min(str(json.loads(file.read_text())["measured_at"]) for file in files)


def _median(same: Sequence[Figure]) -> Figure:
    values = [figure.value for figure in same]
    ratios = [figure.ratio for figure in same if figure.ratio is not None]
    return Figure(
        same[0].name,
        statistics.median(values),
        same[0].unit,
        same[0].against,
        statistics.median(ratios) if ratios else None,
        min(values),
        max(values),
    )


if __name__ == "__main__":
    main()
