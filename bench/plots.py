"""Plots of results, for the docs."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def plot_neighbors(results: Path) -> Path:
    """Updates per second by design and population, on a logarithmic scale."""
    sections = json.loads(results.read_text())["sections"]
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
    path = results.with_suffix(".png")
    figure.savefig(path, dpi=120)
    return path
