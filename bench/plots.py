"""Plots of results, for the docs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

Sections = Mapping[str, Sequence[Mapping[str, Any]]]


def plot_all(results: Path) -> None:
    """The plots of those benches that have been run, beside latest.json."""
    benches = json.loads(results.read_text())["benches"]
    if "neighbors" in benches:
        _plot_neighbors(benches["neighbors"]["sections"], results.with_name("neighbors.png"))
    if "recompute" in benches:
        _plot_freshness(benches["recompute"]["sections"], results.with_name("recompute.png"))


def _plot_freshness(sections: Sections, path: Path) -> None:
    """Milliseconds from event to fresh neighbours by rate."""
    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for title, figures in sections.items():
        for percent, style in ((50, "-"), (95, "--")):
            found = [
                (float(f["name"].split()[0]), f["value"])
                for f in figures
                if f["name"].endswith(f"events/s: neighbours fresh, p{percent}")
            ]
            axes.plot(*zip(*found, strict=True), style, marker="o", label=f"{title}, p{percent}")
    axes.set_xlabel("events per second")
    axes.set_ylabel("ms from event to fresh")
    axes.set_title("Embedding and both directions of neighbours fresh")
    axes.legend()
    figure.savefig(path, dpi=120)


def _plot_neighbors(sections: Sections, path: Path) -> None:
    """Updates per second by design and population, on a logarithmic scale."""
    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    labels = ("originals", "1 worker", "2 workers")
    for place, (title, figures) in enumerate(sections.items()):
        rates = [
            next(f["value"] for f in figures if "updates" in f["name"] and label in f["name"])
            for label in ("originals", "1 worker", "2 workers")
        ]
        bars = axes.barh([y + place * 0.4 for y in range(3)], rates, height=0.38, label=title)
        axes.bar_label(bars, fmt="%.0f", padding=3)
    axes.set_yticks([y + 0.2 for y in range(3)], labels)
    axes.set_xscale("log")
    axes.set_xlabel("updates per second, logarithmic")
    axes.set_title("Neighbour lists after a student's vector changes")
    axes.legend()
    figure.savefig(path, dpi=120)
