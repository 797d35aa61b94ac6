"""A book as a reader's list names it, and how long a list may be."""

import re
from dataclasses import dataclass

# An export of ten years of reading with reviews has two megabytes and two thousand rows.
MAX_BYTES = 4 * 1024 * 1024
MAX_ROWS = 5000
MAX_TEXT = 300


@dataclass(frozen=True)
class ListedBook:
    """A book of a list; `rating` is 1 to 5.

    `book_id` is what an earlier answer of ours matched it with. `spellings` are all ways to read a
    line that does not say where the title ends: title and author, the likeliest first.
    """

    title: str
    author: str | None = None
    isbn: str | None = None
    rating: int | None = None
    book_id: str | None = None
    spellings: tuple[tuple[str, str | None], ...] = ()

    @property
    def readings(self) -> tuple[tuple[str, str | None], ...]:
        """All pairs of title and author that the entry may mean."""
        return self.spellings or ((self.title, self.author),)


def isbn_core(text: str) -> str | None:
    """Reduce an ISBN to what its forms of ten and of thirteen digits share; None if it is none.

    >>> isbn_core('="0-439-02348-3"'), isbn_core("9780439023481"), isbn_core("B00A1")
    ('978043902348', '978043902348', None)
    """
    digits = re.sub("[^0-9X]", "", text.upper())
    if len(digits) == 10:
        return f"978{digits[:9]}"
    return digits[:12] if len(digits) == 13 else None
