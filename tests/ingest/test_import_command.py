"""`python -m workers.ingest.csv_import`: what it prints and how it ends."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.library import rows

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STUDENTS = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.ingest.csv_import", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_reports_as_json_and_says_by_its_exit_code_how_it_went(tmp_path: Path) -> None:
    file = tmp_path / "students.csv"
    file.write_text(f"{STUDENTS}\nS1,4,,,,\n")
    done = command("students", str(file))
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["inserted"]) == (0, 1)
    assert rows("SELECT student_id FROM students") == [("S1",)]
    assert rows("SELECT DISTINCT last_sent::text FROM freshness") == [("-infinity",)], (
        "the reconciler sends it at its next pass"
    )

    file.write_text(f"{STUDENTS}\nS1,4,,,,\nS2,x,,,,\n")
    done = command("students", str(file))
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, report["unchanged"], report["failed"]) == (1, 1, 1)
    assert report["errors"] == [
        {"line": 3, "column": "grade_level", "message": "not a whole number: 'x'"}
    ]

    for arguments in (["catalog", str(file)], ["students", str(tmp_path / "none.csv")]):
        done = command(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(arguments[1])
        assert "Traceback" not in done.stderr
    assert command("teachers", str(file)).returncode == 2
