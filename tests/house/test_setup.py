"""`make test` sets the machine up, or says the line to type, before anything is downloaded."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "test_setup.sh"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def set_up(python: str) -> subprocess.CompletedProcess[str]:
    """Run the script as an ordinary user, who need not be able to read this checkout."""
    return subprocess.run(
        [*(NOBODY if os.geteuid() == 0 else []), "bash", "-c", SCRIPT.read_text()],
        cwd="/",
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_that_lacks_nothing_hears_nothing() -> None:
    done = set_up(os.environ.get("PYTHON", "python3.11"))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_ordinary_user_reads_in_one_line_what_is_missing_and_what_to_type() -> None:
    done = set_up("python0.0")
    assert (done.stdout, done.returncode) == ("", 1)
    (line,) = done.stderr.splitlines()
    assert "python0.0" in line
    if "ID=debian\n" in Path("/etc/os-release").read_text():
        assert line.endswith("sudo bash scripts/test_setup.sh")


def test_the_machine_is_set_up_before_anything_else_of_make_test() -> None:
    for target in ("test", "check"):
        planned = subprocess.run(
            ["make", "--no-print-directory", "--dry-run", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "scripts/test_setup.sh" in planned.stdout.splitlines()[0]
