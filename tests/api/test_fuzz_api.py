"""The API under requests made up from its OpenAPI document: valid, invalid and out of order."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from embedded.ports import free_port
from tests.collection import Documents, work_run
from tests.fuzzing import FACTOR
from tests.library import book, checkout
from tests.lines import logs, running_lines
from tests.processes import eventually
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[1] / "schemathesis.toml"
KEY = "a key of the fuzz test"
SEED = 20_260_301
EXAMPLES = 40


def serves(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_no_request_made_up_from_the_document_breaks_the_contract(
    documents: Documents, tmp_path: Path
) -> None:
    record_events([book("0", "Zero"), checkout("0", "0"), checkout("00", "0")])
    documents.add("0", "00")  # what is made up is often this short
    work_run(RunKind.documents_all)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    log_directory = tmp_path / "logs"
    log_directory.mkdir()
    seed = SEED if FACTOR == 1 else random.randrange(2**32)
    with running_lines(
        log_directory, "web", HOST="127.0.0.1", PORT=port, API_KEYS=f"fuzz:admin:{digest}"
    ):
        eventually(lambda: serves(address), lambda: logs(log_directory))
        found = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG),
                *("run", f"{address}/openapi.json", "--header", f"Authorization: Bearer {KEY}"),
                *("--checks", "all", "--max-examples", str(EXAMPLES * FACTOR)),
                *("--seed", str(seed), "--generation-database", "none"),
                "--no-color",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in logs(log_directory)
