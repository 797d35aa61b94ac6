"""The alert rules are sound, and ask for metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

from starlette.testclient import TestClient

from tests.documents import Documents, work_run
from workers.metrics import TOTALS
from workers.runs import RunKind

RULES = Path(__file__).parent.parent / "monitoring" / "embedding_alerts.yaml"


def test_promtool_finds_no_fault_in_the_rules() -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: it is in Debian's package prometheus (see .ci/run)"
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 rules found" in done.stdout


def test_every_metric_that_a_rule_asks_for_is_there(
    documents: Documents, client: TestClient
) -> None:
    documents.add("A")
    documents.add("B", body=1)
    for kind in (RunKind.documents_all, RunKind.documents_stale, RunKind.documents_incremental):
        work_run(kind)
    scraped = client.get("/metrics").text
    there = set(re.findall(r"^(\w+)", scraped, re.MULTILINE)) | {total.name for total in TOTALS}
    expressions = re.findall(r"expr: (.*)", RULES.read_text())
    asked = {
        name
        for expression in expressions
        for name in re.findall(
            r"\b((?:documents|feature|openai|invalid|embeddings)_\w+)\b", expression
        )
        if f'"{name}"' not in expression
    }
    assert len(asked) >= 9
    assert asked - there == set()
    assert 'documents_coverage{version="v1"} 0.5' in scraped
    assert 'documents_failures{dead="true",reason="body_not_text",version="v1"} 1.0' in scraped
    assert 'documents_last_run_failed{kind="documents_stale"} 0.0' in scraped
