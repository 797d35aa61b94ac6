"""A check from the command line: a sample is measured, its figures are printed as JSON."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from workers.core.boot import open_process
from workers.core.logs import configure_logging

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def print_check(
    description: str, check: "Callable[[int], DataclassInstance]", default_sample: int
) -> None:
    """Measure as many as `--sample` says and print what `check` gives."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sample", type=int, default=default_sample)
    arguments = parser.parse_args()
    configure_logging(sys.stderr)
    with open_process("command"):
        print(json.dumps(asdict(check(arguments.sample)), indent=2))  # noqa: T201
