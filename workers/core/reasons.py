"""What is kept of an exception: its reason in a line, its traceback without our paths."""

import traceback
from pathlib import Path

from workers.core.errors import ProviderError
from workers.core.foreign_text import escape

ROOT = f"{Path(__file__).parents[2]}/"
# A provider may answer with a page, and it stands in the ledger once per key.
MAX_REASON_CHARACTERS = 1000
MAX_TRACEBACK_CHARACTERS = 20_000


def reason_of(error: BaseException) -> str:
    """Say what went wrong: the type and its message, of a provider only the message."""
    text = str(error) if isinstance(error, ProviderError) else f"{type(error).__name__}: {error}"
    return bounded(escape(text), MAX_REASON_CHARACTERS)


def traceback_of(error: BaseException) -> str:
    """Format an exception and its causes as Python does, without local variables.

    Paths begin at the checkout, wherever that is.
    """
    text = "".join(traceback.format_exception(error)).replace(f'File "{ROOT}', 'File "')
    return bounded(escape(text), MAX_TRACEBACK_CHARACTERS)


def release_frames(error: BaseException | None) -> None:
    """Let go of the local variables that an exception and its causes hold by their tracebacks.

    Of a large batch that fails key by key they would be gigabytes. The traceback's text stays.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def bounded(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than `most`: both ends say the most.

    >>> bounded("0123456789", 7)
    '012…789'
    """
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"
