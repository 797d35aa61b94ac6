"""The alert rules are sound, and ask for metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.collection import Documents, work_run
from tests.library import checkout
from tests.shelf import lend
from tests.work_off import work_off
from workers.core.metrics import TOTALS
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind
from workers.jobs.schedules import register_job

MONITORING = Path(__file__).parents[2] / "monitoring"
RULES = MONITORING / "embedding_alerts.yaml"
FRESHNESS_RULES = MONITORING / "freshness_alerts.yaml"


@pytest.mark.parametrize(("rules", "count"), [(RULES, 8), (FRESHNESS_RULES, 13)])
def test_promtool_finds_no_fault_in_the_rules(rules: Path, count: int) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "no promtool: bash scripts/test_setup.sh"
    done = subprocess.run(
        [promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} rules found" in done.stdout


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


def test_every_metric_that_the_rules_of_the_cluster_ask_for_is_there(client: TestClient) -> None:
    register_job("prune_history", "30 3 * * *")
    work_off(record_events([checkout("S1", "B1")]).notifications)
    client.get("/queues")
    lend()
    scraped = client.get("/metrics").text
    there = set(re.findall(r"^(\w+)", scraped, re.MULTILINE))
    asked = {
        name
        for expression in re.findall(r"expr: (.*)", FRESHNESS_RULES.read_text())
        for name in re.findall(
            r"\b((?:freshness|recommendation|key|worker|queue|store|http)_\w+)\b", expression
        )
    }
    assert len(asked) >= 10
    assert asked - there == set()
    for line in (
        'store_up{store="redis"} 1.0',
        'queue_paused{queue="live"} 0.0',
        'worker_processes{queue="batch"} 0.0',
        'scheduled_job_failed{job="prune_history"} 0.0',
        'freshness_ok{kind="student_embedding"} 1.0',
    ):
        assert line in scraped
