"""What is embedded of a document: title and body, cut between characters."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import regex
from bson import DatetimeMS
from pydantic import TypeAdapter, ValidationError

from workers.core.errors import BadDocumentError
from workers.core.vocabulary import Id
from workers.documents.source import read_time

ID: TypeAdapter[str] = TypeAdapter(Id)
MAX_CHARACTERS = 5000
# No character as readers see it is longer than this, unless somebody plays with accents.
MAX_CHARACTER_LENGTH = 64

_CHARACTER = regex.compile(r"\X")
# How the client reads bytes that are not UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")
_LANGUAGE = regex.compile(r"[A-Za-z]{2,3}(?=$|[-_])")


@dataclass(frozen=True)
class DocumentText:
    """A document as far as its vector needs it; `content_hash` is that of `text`, 32 bits."""

    doc_id: str
    text: str
    content_hash: int
    modified_at: datetime | None
    language: str


def read_text(row: dict[str, Any]) -> DocumentText:
    """Read the text of a document as MongoDB holds it.

    Raises:
        BadDocumentError: the id is none, title or body is no text, or there is nothing in them.
    """
    doc_id = row.get("doc_id")
    if not isinstance(doc_id, str):
        raise BadDocumentError("no_doc_id", f"doc_id is {_kind(doc_id)}, not text")
    check_id(doc_id)
    title, body = row.get("title"), row.get("body")
    if not isinstance(title, str | None):
        raise BadDocumentError("title_not_text", f"title is {_kind(title)}, not text")
    if not isinstance(body, str):
        raise BadDocumentError("body_not_text", f"body is {_kind(body)}, not text")
    text = cut(f"{title or ''} {body}".strip())
    if not text:
        raise BadDocumentError("empty_text", "title and body are empty")
    if _SURROGATE.search(text):
        raise BadDocumentError("not_utf8", "title or body is not UTF-8")
    if isinstance(row.get("modified_at"), DatetimeMS):
        raise BadDocumentError("bad_modified_at", "modified_at lies outside the years 1 to 9999")
    return DocumentText(
        doc_id,
        text,
        hash_text(text),
        read_time(row.get("modified_at")),
        language_of(row.get("language")),
    )


def check_id(doc_id: str) -> None:
    """Refuse what is no id: empty, longer than 200 characters, or with control characters.

    Raises:
        BadDocumentError: so it is.
    """
    try:
        ID.validate_python(doc_id)
    except ValidationError as error:
        raise BadDocumentError("bad_doc_id", f"doc_id: {error.errors()[0]['msg']}") from None


def cut(text: str, most: int = MAX_CHARACTERS) -> str:
    """Cut after `most` code points, or a few less so as not to split what readers see as one.

    An accent stays with its letter, and a flag, a family or a skin tone in one piece (extended
    grapheme clusters, Unicode annex 29).

    >>> cut("cafe\\u0301 noir", 4)
    'caf'
    """
    if len(text) <= most:
        return text
    start = max(most - MAX_CHARACTER_LENGTH, 0)
    # Look from a space on: in the middle of a character the rules would see other borders.
    start = max(
        text.rfind(" ", 0, start), text.rfind("\n", 0, start), start - MAX_CHARACTER_LENGTH, 0
    )
    end = start
    for character in _CHARACTER.finditer(text, start, most + MAX_CHARACTER_LENGTH):
        if character.end() > most:
            break
        end = character.end()
    return text[: end if end > start else most]


def hash_text(text: str) -> int:
    """Hash a text to 32 bits of BLAKE2b: one change in four billion goes unseen."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def language_of(language: object) -> str:
    """Read the two or three letters that name a language, else "unknown".

    >>> language_of("pt-BR")
    'pt'
    """
    found = _LANGUAGE.match(language) if isinstance(language, str) else None
    return found[0].lower() if found else "unknown"


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__
