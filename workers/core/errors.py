"""The error tree: what can go wrong, carrying what the ledger needs to decide on a retry."""

from collections.abc import Mapping
from uuid import UUID


class KinfoldError(Exception):
    """Root of everything that Kinfold raises itself."""


class SettingsError(KinfoldError):
    """A setting is missing or wrong; the message names the variable."""


class MigrationError(KinfoldError):
    """An applied migration differs from its file, or files and table do not line up."""


class UnknownKeyError(KinfoldError):
    """A read named something that is not stored; `reason` is a code for the caller."""

    def __init__(self, reason: str, key: str) -> None:
        super().__init__(f"{reason}: {key}")
        self.reason = reason
        self.key = key


class KeyNameTakenError(KinfoldError):
    """An API key of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key named {name} already")


class CsvFormatError(KinfoldError):
    """The file cannot be read as the expected table at all: its header is wrong."""

    def __init__(self, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.column = column


class ReadingListError(KinfoldError):
    """A reader's list cannot be read; the message says why and repeats nothing of it."""


class ProviderError(KinfoldError):
    """The embeddings provider did not give vectors."""


class ProviderUnavailableError(ProviderError):
    """Try later: rate limit, server error, timeout or lost connection. Burns no attempt."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderFaultError(ProviderError):
    """The provider broke on this request (500): it may be down, or one of the texts breaks it."""


class ProviderDeniedError(ProviderError):
    """The key, the model or the endpoint is wrong: no text would be accepted."""


class ProviderRefusedError(ProviderError):
    """The provider refuses the content of this request; some of its texts may be fine."""


class InvalidEmbeddingError(ProviderError):
    """The provider answered with something that is not an embedding."""


class SourceError(KinfoldError):
    """The documents' source cannot be read; `reason` is a code for the caller."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LostLeaseError(KinfoldError):
    """A piece of work belongs to another worker now; `names` says which."""

    def __init__(self, names: Mapping[str, object]) -> None:
        super().__init__(f"another worker has {names}")
        self.names = names


class BadDocumentError(KinfoldError):
    """A document cannot become a text; `reason` is a code for the list of failures."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class VersionStateError(KinfoldError):
    """A version of the documents' vectors cannot be switched to; `reason` is a code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RunActiveError(KinfoldError):
    """A run of this kind is active already; `run_id` is its id."""

    def __init__(self, kind: str, run_id: UUID | None) -> None:
        super().__init__(f"a {kind} run is active already")
        self.run_id = run_id


class RunStoppedError(KinfoldError):
    """A run does not go on; `reason` is its state, or that another worker has it."""

    def __init__(self, reason: str, run_id: UUID) -> None:
        super().__init__(f"run {run_id} is {reason}")
        self.reason = reason
        self.run_id = run_id


class LostChangeError(KinfoldError):
    """A copy of the neighbour graph cannot follow: a change that it has seen is not stored."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"change {seq} of the neighbour graph is gone")
        self.seq = seq
