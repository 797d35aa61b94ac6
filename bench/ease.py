"""How long the nightly solve of the recommendation model takes, and how much memory.

`python -m bench.ease [--books N ...] [--loans N]`: invented loans, whose books are borrowed as
unevenly as in a library; CPU seconds, because other processes may run beside it.
"""

import argparse
import os
import resource
import time

import numpy as np
from scipy import sparse

from bench.report import Figure, print_table, write_json
from workers.books.ease import solve_ease

MIB = 2**20


def main() -> None:
    """Solve for each number of books, smallest first, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, nargs="+", default=[5_000, 10_000, 20_000])
    parser.add_argument("--loans", type=int, default=2_000_000)
    parser.add_argument("--students", type=int, default=50_000)
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for books in sorted(arguments.books):
        figures += measure(books, arguments.loans, arguments.students)
    print_table("EASE", figures)
    write_json("ease", {"EASE": figures})


def measure(books: int, loans: int, students: int) -> list[Figure]:
    """Wall and CPU seconds of one solve, and the peak of memory so far."""
    matrix = invented_loans(books, loans, students)
    started, cpu = time.perf_counter(), time.process_time()
    steps: list[float] = [started]
    weights = solve_ease(
        matrix, ridge=300, after_step=lambda _done, _steps: steps.append(time.perf_counter())
    )
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert np.isfinite(weights.values).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = f"{books:,} books, {matrix.nnz:,} loans"
    return [
        Figure(f"{name}: solve", wall, f"s on {os.cpu_count()} cores"),
        Figure(f"{name}: solve, CPU", cpu, "s"),
        Figure(f"{name}: longest step", float(np.diff(steps)[1:].max(initial=0.0)), "s"),
        Figure(f"{name}: peak of the process", peak / MIB, "MiB"),
    ]


def invented_loans(books: int, loans: int, students: int) -> sparse.csr_array:
    """Students by books, ones: a Zipf-like share of loans for each book, exponent 0.7."""
    generator = np.random.default_rng(0)
    shares = np.arange(1, books + 1) ** -0.7
    drawn = np.empty(0, np.int64)
    while len(drawn) < loans:
        missing = loans - len(drawn)
        pairs = generator.integers(students, size=missing) * books + generator.choice(
            books, size=missing, p=shares / shares.sum()
        )
        drawn = np.unique(np.concatenate([drawn, pairs]))
    ones = np.ones(len(drawn), np.float32)
    return sparse.csr_array((ones, (drawn // books, drawn % books)), shape=(students, books))


if __name__ == "__main__":
    main()
