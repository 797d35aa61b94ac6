"""What became of documents: a part from each step of a batch, and the sum of parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workers.core.errors import ProviderUnavailableError
from workers.documents.failures import DocumentFailure


@dataclass(frozen=True)
class Outcome:
    """What one step found or did; sums of them say it of a whole batch.

    `documents` are all that were looked at, `deleted` those that are gone. `embedded` and
    `unchanged` count vectors, one per version. `failed` has reasons by version and id;
    `postponed` are those that have to wait for the provider.
    """

    documents: frozenset[str] = frozenset()
    embedded: int = 0
    unchanged: int = 0
    deleted: frozenset[str] = frozenset()
    failed: Mapping[str, Mapping[str, DocumentFailure]] = field(default_factory=dict)
    postponed: Mapping[str, ProviderUnavailableError] = field(default_factory=dict)

    @property
    def failed_ids(self) -> frozenset[str]:
        """Documents that failed in any version."""
        return frozenset(doc_id for failures in self.failed.values() for doc_id in failures)

    @property
    def fine_ids(self) -> frozenset[str]:
        """Documents of which nothing failed or has to wait."""
        return self.documents - self.failed_ids - self.postponed.keys()


def add(outcomes: Iterable[Outcome]) -> Outcome:
    """Sum the outcomes of steps; of two failures of one document the later counts."""
    parts = list(outcomes)
    versions = dict.fromkeys(version for part in parts for version in part.failed)
    return Outcome(
        documents=frozenset().union(*(part.documents for part in parts)),
        embedded=sum(part.embedded for part in parts),
        unchanged=sum(part.unchanged for part in parts),
        deleted=frozenset().union(*(part.deleted for part in parts)),
        failed={
            version: {
                doc_id: failure
                for part in parts
                for doc_id, failure in part.failed.get(version, {}).items()
            }
            for version in versions
        },
        postponed={doc_id: error for part in parts for doc_id, error in part.postponed.items()},
    )


def failed_everywhere(
    failures: Mapping[str, DocumentFailure], versions: Iterable[str]
) -> dict[str, Mapping[str, DocumentFailure]]:
    """Give failures that have nothing to do with a version to all of them."""
    return dict.fromkeys(versions, failures) if failures else {}
