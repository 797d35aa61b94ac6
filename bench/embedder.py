"""The two models that need no provider, side by side: speed, load, memory, and what int8 keeps.

    python -m bench.embedder [--texts 300]

Texts are cut from the manual that Python carries with it, 65,000 words of English with 8,000
different ones. One thread; CPU seconds, medians of five rounds that take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from bench.report import Figure, print_table, write_json
from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL, Codec, EmbeddingSpec
from workers.documents.codecs import decode, encode
from workers.embedding.embedders import embedder
from workers.embedding.word_sums import KEPT_WORDS, word_sums

NAMES = {HASHING_MODEL: "hashing", SEMANTIC_MODEL: "meaning and hashing"}
WORDS = (60, 200)
DIMENSIONS = 384
ROUNDS = 5
NEAREST = 10
MIB = 2**20


def main() -> None:
    """Measure and write bench/results/embedder.json."""
    parser = argparse.ArgumentParser(description="Compare the local embedders.")
    parser.add_argument("--texts", type=int, default=300, help="of each length")
    parser.add_argument("--process-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process_of:
        print(json.dumps(cost_of_a_process(arguments.process_of)))
        return
    sections = {
        "texts a second, 384 components, one thread": [
            figure for words in WORDS for figure in speed(words, arguments.texts)
        ],
        "a process": processes(),
        "int8, recall@10": [figure for dimensions in (300, 384) for figure in recalls(dimensions)],
    }
    for title, figures in sections.items():
        print_table(title, figures)
    write_json("embedder", {title: tuple(figures) for title, figures in sections.items()})


def prose(words: int) -> list[str]:
    """All of the manual in texts of so many words, in an order drawn once."""
    whole = " ".join(topics.values()).split()
    starts = range(0, len(whole) - words, words)
    texts = [" ".join(whole[start : start + words]) for start in starts]
    return [texts[n] for n in np.random.default_rng(5).permutation(len(texts))]


def speed(words: int, count: int) -> list[Figure]:
    """Texts a second: hashing, and meaning with hashing in three states of a process."""
    texts = prose(words)
    count = min(count, len(texts) // 3)
    new, other = texts[:count], texts[count:]
    hashing = embedder(EmbeddingSpec(HASHING_MODEL, DIMENSIONS))
    semantic = embedder(EmbeddingSpec(SEMANTIC_MODEL, DIMENSIONS))
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        forget_words()
        times.setdefault("first", []).append(cpu_s(lambda: semantic.embed_batch(new)))
        forget_words()
        semantic.embed_batch(other)
        times.setdefault("later", []).append(cpu_s(lambda: semantic.embed_batch(new)))
        times.setdefault("again", []).append(cpu_s(lambda: semantic.embed_batch(new)))
        times.setdefault("hashing", []).append(cpu_s(lambda: hashing.embed_batch(new)))
    rate = {name: count / statistics.median(each) for name, each in times.items()}
    labels = {
        "later": "after other texts",
        "again": "every word known",
        "first": "first texts of a process",
    }
    return [
        Figure(f"{NAMES[HASHING_MODEL]}, {words} words", rate["hashing"], "per s"),
        *(
            Figure(
                f"{NAMES[SEMANTIC_MODEL]}, {words} words, {label}",
                rate[name],
                "per s",
                NAMES[HASHING_MODEL],
                rate[name] / rate["hashing"],
            )
            for name, label in labels.items()
        ),
    ]


def forget_words() -> None:
    """Begin anew like a process that has read nothing, with the table mapped already."""
    word_sums()._kept = {}


def cpu_s(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def processes() -> list[Figure]:
    """CPU that each model takes to load, and memory once it has read everything it can keep."""
    costs = {model: in_a_process(model) for model in NAMES}
    figures = [
        Figure(f"{name}, load until the first vector", costs[model]["load_s"], "s of CPU")
        for model, name in NAMES.items()
    ]
    for what, unit in (("resident", "MiB"), ("private", "MiB")):
        more = costs[SEMANTIC_MODEL][what] - costs[HASHING_MODEL][what]
        figures.append(
            Figure(f"{NAMES[SEMANTIC_MODEL]}, {what} memory more than hashing", more / MIB, unit)
        )
    return figures


def in_a_process(model: str) -> dict[str, float]:
    """Costs that a new process finds, with the worker's allocator settings."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.embedder", "--process-of", model],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"},
    ).stdout
    costs: dict[str, float] = json.loads(answer.splitlines()[-1])
    return costs


def cost_of_a_process(model: str) -> dict[str, float]:
    """CPU until the first vector; memory with all of the table read and all words kept."""
    started = time.process_time()
    found = embedder(EmbeddingSpec(model, DIMENSIONS))
    found.embed_batch(["the first text"])
    load_s = time.process_time() - started
    for words in WORDS:
        found.embed_batch(prose(words))
    found.embed_batch([f"word{number}" for number in range(KEPT_WORDS)])
    if model == SEMANTIC_MODEL:
        word_sums()._table.any()
    kilobytes = dict.fromkeys(("Rss", "Private_Dirty"), 0)
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, *_ = line.replace(":", " ").split()
        if name in kilobytes:
            kilobytes[name] = int(amount)
    return {
        "load_s": load_s,
        "resident": kilobytes["Rss"] * 1024,
        "private": kilobytes["Private_Dirty"] * 1024,
    }


def recalls(dimensions: int) -> list[Figure]:
    """How many of the ten nearest texts of 60 words are found when they are stored as int8."""
    texts = prose(WORDS[0])
    return [
        Figure(
            f"{name}, {dimensions} components",
            recall(embedder(EmbeddingSpec(model, dimensions)).embed_batch(texts)),
            "",
        )
        for model, name in NAMES.items()
    ]


def recall(exact: NDArray[np.float32]) -> float:
    """Mean share of a row's ten nearest by cosine that it finds among rows read back from int8."""
    count = len(exact)
    values = encode(
        Codec.int8, "bench", exact, np.ones(count, np.int64), np.zeros(count, np.uint32)
    )
    kept = decode(values).vectors
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    true, seen = exact @ exact.T, exact @ kept.T
    least = np.partition(true, -NEAREST, axis=1)[:, -NEAREST]
    found = np.argsort(-seen, axis=1)[:, :NEAREST]
    return float((np.take_along_axis(true, found, axis=1) >= least[:, None] - 1e-6).mean())


if __name__ == "__main__":
    main()
