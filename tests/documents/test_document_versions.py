"""Versions: built beside the one that is read, switched at once, gone after their grace."""

import threading
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.collection import Documents, stored, work_run
from tests.library import change
from workers.core.errors import VersionStateError
from workers.documents.cleanup import cleanup_documents
from workers.documents.plan import begin_documents_run
from workers.documents.read import read_vector, read_vectors
from workers.documents.rerank import rerank
from workers.documents.versions import activate, list_versions, roll_back
from workers.jobs.runs import RunKind

pytestmark = pytest.mark.slow

Configure = Callable[..., None]
ALL, INCREMENTAL = RunKind.documents_all, RunKind.documents_incremental


def states() -> dict[str, str]:
    return {version.version: version.state for version in list_versions()}


@pytest.fixture
def two_versions(documents: Documents, configure: Configure) -> list[str]:
    """v1 of 300 dimensions is read, v2 of 64 is built beside it."""
    doc_ids = documents.add_many(20)
    work_run(ALL)
    configure(DOCUMENT_EMBEDDING_DIMENSIONS=64)
    work_run(ALL)
    return doc_ids


def test_a_new_dimension_is_built_beside_the_version_that_is_read(two_versions: list[str]) -> None:
    assert states() == {"v1": "active", "v2": "building"}
    assert stored("v1") == stored("v2") == set(two_versions)
    assert (read_vector("D00000").dim, read_vector("D00000").ver) == (300, "v1")


def test_a_switch_and_a_rollback_change_all_reads_at_once(two_versions: list[str]) -> None:
    activate("v2")
    assert states() == {"v2": "active", "v1": "previous"}
    found = read_vectors(two_versions)
    assert (found.version, found.vectors.shape, found.missing) == ("v2", (20, 64), [])
    roll_back()
    assert states() == {"v1": "active", "v2": "previous"}
    assert read_vectors(two_versions).vectors.shape == (20, 300)


def test_readers_never_see_two_versions_in_one_answer(two_versions: list[str]) -> None:
    stop = threading.Event()
    seen: list[tuple[str, int, int]] = []

    def read() -> None:
        while not stop.is_set():
            found = read_vectors(two_versions)
            seen.append((found.version, found.vectors.shape[1], len(found.missing)))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        activate("v2")
        for _ in range(20):
            roll_back()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert set(seen) <= {("v1", 300, 0), ("v2", 64, 0)}
    assert len(set(seen)) == 2


def test_a_query_is_embedded_by_the_model_of_the_version_that_is_read(
    two_versions: list[str],
) -> None:
    before = rerank("river mountain", two_versions, 3)
    activate("v2")
    after = rerank("river mountain", two_versions, 3)
    assert (before.version, after.version) == ("v1", "v2")
    assert len(after.results) == 3


def test_both_versions_stay_fresh_until_the_switch(
    two_versions: list[str], documents: Documents
) -> None:
    documents.edit("D00001")
    _, counts = work_run(INCREMENTAL)
    assert counts.embedded == 2
    before = {"v1": read_vector("D00001").content_hash}
    activate("v2")
    assert read_vector("D00001").content_hash == before["v1"]


def test_a_version_that_is_not_built_is_not_switched_to(
    documents: Documents, configure: Configure, client: TestClient
) -> None:
    documents.add("A")
    work_run(ALL)
    configure(DOCUMENT_CODEC="float16")
    begin_documents_run(INCREMENTAL)
    answer = client.post("/documents/versions/v2/activate")
    assert (answer.status_code, answer.json()["reason"]) == (409, "not_built")
    answer = client.post("/documents/versions/v1/activate")
    assert (answer.status_code, answer.json()["reason"]) == (409, "active")
    answer = client.post("/documents/versions/rollback")
    assert (answer.status_code, answer.json()["reason"]) == (409, "no_previous_version")
    found = client.get("/documents/versions").json()["versions"]
    assert [(each["version"], each["codec"]) for each in found] == [
        ("v1", "int8"),
        ("v2", "float16"),
    ]


def test_the_previous_version_goes_after_its_grace_and_no_earlier(
    two_versions: list[str],
) -> None:
    activate("v2")
    cleanup_documents(begin_documents_run(RunKind.documents_cleanup))
    assert stored("v1") == set(two_versions)
    change("UPDATE document_versions SET remove_after = now() WHERE state = 'previous'")
    for go_back in (roll_back, lambda: activate("v1")):
        with pytest.raises(VersionStateError):
            go_back()
    cleanup_documents(begin_documents_run(RunKind.documents_cleanup))
    assert (stored("v1"), stored("v2")) == (set(), set(two_versions))
    assert states() == {"v2": "active"}
    with pytest.raises(VersionStateError):
        roll_back()


def test_settings_that_go_back_after_the_grace_keep_their_version_from_the_cleanup(
    two_versions: list[str], configure: Configure
) -> None:
    activate("v2")
    change("UPDATE document_versions SET remove_after = now() WHERE state = 'previous'")
    configure(DOCUMENT_EMBEDDING_DIMENSIONS=300)
    begin_documents_run(INCREMENTAL)
    cleanup_documents(begin_documents_run(RunKind.documents_cleanup))
    assert stored("v1") == set(two_versions)
    assert states() == {"v2": "active", "v1": "building"}


def test_settings_that_go_back_find_their_version_again(
    two_versions: list[str], configure: Configure
) -> None:
    activate("v2")
    configure(DOCUMENT_EMBEDDING_DIMENSIONS=300)
    _, counts = work_run(ALL)
    assert counts.embedded == 0
    assert states() == {"v2": "active", "v1": "previous"}
