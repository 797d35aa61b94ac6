"""What a reader's titles are about that the catalogue lacks: their own words, embedded."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt
import redis
import structlog

from workers.books.history import LOW_RATING, decay
from workers.core.errors import ProviderError
from workers.core.process import per_process, until_exit
from workers.core.settings import settings
from workers.embedding.content_hash import content_hash
from workers.embedding.embedders import embedder
from workers.embedding.texts import Vector, embed_texts
from workers.readers.listed import ListedBook

# The newest of them: with a half-life of ten, what comes later weighs an eighth and less.
MAX_TITLES = 30
# How long a reader waits for a provider; without its answer the list goes by the other titles.
ANSWER_S = 4.0
MAX_ASKED = 2
# Answers that wait for somebody to open the list again: 6 MB, at 1,536 components a title.
MAX_WAITING = 32

Floats = npt.NDArray[np.float32]

log = structlog.get_logger()


@dataclass(frozen=True)
class Titles:
    """Titles of a list that the catalogue lacks, each with what it weighs among all of the list."""

    texts: Sequence[str]
    weights: Floats

    @property
    def made_of(self) -> bytes:
        """Hash everything that decides what they are about."""
        spec = settings().student_embedding
        parts = [content_hash(spec, text) for text in self.texts]
        return hashlib.sha256(b"".join([*parts, self.weights.tobytes()])).digest()


def titles_elsewhere(books: Sequence[ListedBook]) -> Titles:
    """Choose the newest titles that are not in the catalogue and were not disliked."""
    weights = decay(len(books))
    chosen = [
        place
        for place, book in enumerate(books)
        if book.book_id is None and (book.rating or LOW_RATING + 1) > LOW_RATING
    ][:MAX_TITLES]
    return Titles([books[place].title for place in chosen], weights[chosen])


def embed_titles(titles: Titles) -> Floats | None:
    """Add up the titles' vectors by weight (d,); None when none of them could be embedded.

    Nothing but the titles goes to a provider. One that answers too late is not asked again: whoever
    opens the list next waits for the same answer.
    """
    try:
        results = _ask_provider(titles) if settings().embedder == "openai" else _embed(titles.texts)
    except (ProviderError, redis.RedisError, TimeoutError) as error:
        log.warning("titles_not_embedded", error=type(error).__name__)
        return None
    found = [
        weight * vector / np.linalg.norm(vector)
        for weight, vector in zip(titles.weights, results, strict=True)
        if not isinstance(vector, ProviderError)
    ]
    return np.sum(found, axis=0, dtype=np.float32) if found else None


def _ask_provider(titles: Titles) -> list[Vector | ProviderError]:
    """Wait for the provider's answer, and leave it to the next one to ask where it takes longer."""
    # Its client takes a while to load, once in a process: that is no fault of the provider.
    embedder(settings().student_embedding)
    answer = _asking().answer(titles)
    try:
        return answer.result(ANSWER_S)
    finally:
        if answer.done():
            _asking().forget(titles)


def _embed(texts: Sequence[str]) -> list[Vector | ProviderError]:
    return embed_texts(embedder(settings().student_embedding), list(texts))


class _Asking:
    """Requests of this process that a provider has not answered yet, by what they are made of."""

    def __init__(self) -> None:
        self.threads = until_exit(ThreadPoolExecutor(MAX_ASKED, thread_name_prefix="reader-titles"))
        self.lock = Lock()
        self.answers: dict[bytes, Future[list[Vector | ProviderError]]] = {}

    def answer(self, titles: Titles) -> Future[list[Vector | ProviderError]]:
        """Ask for the titles' vectors, unless that was done; the oldest answers are let go of."""
        made_of = titles.made_of
        with self.lock:
            if made_of not in self.answers:
                while len(self.answers) >= MAX_WAITING:
                    self.answers.pop(next(iter(self.answers)))
                self.answers[made_of] = self.threads.submit(_embed, titles.texts)
            return self.answers[made_of]

    def forget(self, titles: Titles) -> None:
        """Let go of an answer that was taken, or of a failure."""
        with self.lock:
            self.answers.pop(titles.made_of, None)


@per_process
def _asking() -> _Asking:
    return _Asking()
