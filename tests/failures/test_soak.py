"""A minute of the soak: `make soak` is ten of them."""

import subprocess
import sys

from tests.lines import ROOT

SECONDS = 60
# Starting, draining and ending come on top, and other work may want the cores.
LIMIT_S = 600


def test_a_minute_of_random_failures_loses_nothing_and_shows_nothing_half_written() -> None:
    soak = subprocess.run(
        [sys.executable, "-m", "tests.failures.soak", "--seconds", str(SECONDS), "--seed", "4"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert soak.returncode == 0, soak.stdout
    assert "Every promise held." in soak.stdout
