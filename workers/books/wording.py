"""Put recommendations in words by a chat model, within a moment: else the rules' sentences stay.

A reader waits once for all books of an answer, and not at all while the model is down or slow:
words that come too late are kept for the next answer.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Semaphore

import psycopg
import redis
import structlog
from psycopg_pool import PoolTimeout

from workers.books.chat import ChatModel, ask_chat, chat_model
from workers.books.evidence import Evidence
from workers.books.wanted import Item
from workers.books.word_checks import fault_of
from workers.books.word_facts import WordFacts, word_facts
from workers.books.word_prompt import INSTRUCTIONS, VERSION, Words, ask_for, read_words
from workers.books.word_store import keep_words, read_book_facts, read_kept
from workers.core.errors import ProviderUnavailableError
from workers.core.metrics import WORDED_ITEMS
from workers.core.process import per_process, until_exit
from workers.core.settings import settings
from workers.embedding.limits import CHAT, pause, report_success

# Questions of a process that are under way at most: what else is asked stays with the rules.
ASKED_AT_ONCE = 4
# After a wait in vain nobody waits for so long, and for twice as long after each in a row; what is
# asked meanwhile is kept.
IMPATIENT_S, MAX_IMPATIENT_S = 15.0, 900.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Wording:
    """Words of an answer's books by id: the kept ones, and facts of those that are missing."""

    model: ChatModel
    kept: Mapping[str, Words]
    missing: Mapping[str, WordFacts]


def find_words(
    conn: psycopg.Connection,
    evidence: Mapping[str, Sequence[Evidence]],
    titles: Mapping[str, str | None],
) -> Wording | None:
    """Find the words that are kept for books, by what speaks for them; None without a model."""
    model = chat_model()
    if model is None:
        return None
    books = read_book_facts(conn, list(evidence))
    facts = {
        book_id: word_facts(books[book_id], speaks, titles)
        for book_id, speaks in evidence.items()
        if book_id in books
    }
    keys = {book_id: each.key(model.name, VERSION) for book_id, each in facts.items()}
    found = read_kept(conn, list(keys.values()))
    kept = {book_id: words for book_id, key in keys.items() if (words := found.get(key))}
    missing = {book_id: each for book_id, each in facts.items() if keys[book_id] not in found}
    WORDED_ITEMS.add(len(kept), outcome="kept")
    return Wording(model, kept, missing)


def ask_for_words(wording: Wording) -> Mapping[str, Words]:
    """Ask for the words that are missing; returns all that are there when patience ends."""
    return {**wording.kept, **_asker().ask(wording)} if wording.missing else wording.kept


def with_words(items: Sequence[Item], words: Mapping[str, Words]) -> list[Item]:
    """Put words into items; an item without any keeps the sentence of the rules."""
    return [
        replace(item, blurb=own.blurb, reason=own.reason, reason_source="model")
        if (own := words.get(item.book_id))
        else item
        for item in items
    ]


class Asker:
    """Asks in threads of its own, and remembers how the last question went."""

    def __init__(self) -> None:
        self._threads = until_exit(ThreadPoolExecutor(ASKED_AT_ONCE, "words"))
        self._free = Semaphore(ASKED_AT_ONCE)
        self._silent_until = 0.0
        self._impatient_until = 0.0
        self._impatience_s = IMPATIENT_S

    def ask(self, wording: Wording) -> Mapping[str, Words]:
        """Ask, and wait for the words unless the last wait was in vain."""
        now = time.monotonic()
        if now < self._silent_until or not self._free.acquire(blocking=False):
            WORDED_ITEMS.add(len(wording.missing), outcome="missing")
            return {}
        asked = self._threads.submit(self._write, wording)
        asked.add_done_callback(self._ended)
        if now < self._impatient_until:
            WORDED_ITEMS.add(len(wording.missing), outcome="missing")
            return {}
        if not wait([asked], settings().chat_patience_seconds).done:
            self._impatient_until = time.monotonic() + self._impatience_s
            self._impatience_s = min(2 * self._impatience_s, MAX_IMPATIENT_S)
            log.info("words_late", model=wording.model.name, books=len(wording.missing))
            WORDED_ITEMS.add(len(wording.missing), outcome="missing")
            return {}
        self._impatience_s = IMPATIENT_S
        return asked.result() if asked.exception() is None else {}

    def _ended(self, asked: Future[Mapping[str, Words]]) -> None:
        self._free.release()
        if (error := asked.exception()) is not None:
            # A defect, which costs the words and no answer.
            log.error("words_failed", exc_info=error)

    def _write(self, wording: Wording) -> Mapping[str, Words]:
        book_ids, facts = list(wording.missing), list(wording.missing.values())
        try:
            answer = ask_chat(wording.model, INSTRUCTIONS, ask_for(facts))
            said = read_words(answer, len(facts))
            if said:
                report_success(CHAT)
            else:
                self._be_silent(pause(None, CHAT), "nothing that can be read")
                return {}
        except ProviderUnavailableError as error:
            self._be_silent(error.retry_after_s, str(error))
            return {}
        except redis.RedisError as error:
            self._be_silent(IMPATIENT_S, str(error))
            return {}
        checked: dict[bytes, tuple[str, Words | None]] = {}
        for place, (book_id, each) in enumerate(zip(book_ids, facts, strict=True)):
            words = said.get(place)
            fault = "missing" if words is None else fault_of(words, each)
            if fault is not None:
                log.info("words_refused", book_id=book_id, fault=fault)
            key = each.key(wording.model.name, VERSION)
            checked[key] = (book_id, words if fault is None else None)
        try:
            keep_words(checked)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("words_not_kept", error=str(error))
        written = {book_id: words for book_id, words in checked.values() if words is not None}
        WORDED_ITEMS.add(len(written), outcome="written")
        WORDED_ITEMS.add(len(checked) - len(written), outcome="refused")
        return written

    def _be_silent(self, seconds: float, reason: str) -> None:
        self._silent_until = time.monotonic() + seconds
        log.warning("words_not_written", reason=reason, pause_s=round(seconds, 1))


@per_process
def _asker() -> Asker:
    return Asker()
