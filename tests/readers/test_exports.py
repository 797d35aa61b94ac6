"""Lists as people have them: exports with their sites' own headers, tables, lines."""

from pathlib import Path

import pytest

from tests.lists import of
from workers.core.errors import ReadingListError
from workers.readers.exports import read_list
from workers.readers.listed import MAX_BYTES, MAX_ROWS, ListedBook

EXPORTS = Path(__file__).parent / "exports"


def export(name: str) -> list[tuple[str, str | None, int | None]]:
    """Title, author and rating of each book of an export."""
    return of(read_list((EXPORTS / name).read_bytes()))


def test_a_goodreads_export_is_what_was_read_the_last_first() -> None:
    assert export("goodreads.csv") == [
        ("Momo", "Michael Ende", 4),
        ("The Hobbit", "J.R.R. Tolkien", 5),
        ("Krabat", "Otfried Preussler", 1),
        ("A Book of Invented Trains", "Nora Invented", None),
    ]
    isbns = [book.isbn for book in read_list((EXPORTS / "goodreads.csv").read_bytes())]
    assert isbns == [None, "978000000001", None, None]


def test_a_storygraph_export_knows_quarters_of_stars_and_books_that_were_given_up() -> None:
    assert export("storygraph.csv") == [
        ("Half Magic", "Edward Eager, Somebody Else", 3),
        ("The Phantom Tollbooth", "Norton Juster", 5),
        ("Inkheart", "Cornelia Funke", 2),
        ("Artemis Fowl", "Eoin Colfer", None),
    ]


def test_a_librarything_export_has_tabs_and_quotes_that_nothing_ends() -> None:
    assert export("librarything.tsv") == [
        ("Mary Poppins", "Travers, P. L.", 3),
        ("Tuck Everlasting", "Babbitt, Natalie", 5),
        ('"Inkheart" and other stories of paper', "Invented, Nora", None),
    ]
    in_utf_16 = (EXPORTS / "librarything.tsv").read_text().encode("utf-16")
    assert len(read_list(in_utf_16)) == 3


def test_a_table_needs_no_more_than_a_title() -> None:
    assert of(read_list(b"Title;Rating\nMomo;4,5\n;3\nEmma;\n")) == [
        ("Momo", None, 5),
        ("Emma", None, None),
    ]


def test_lines_may_be_numbered_and_end_with_an_author() -> None:
    text = "1. Momo\n\n- Emma by Jane Austen\r\n* Sabriel (Abhorsen, #1)\n978-0-00-000001-9\n"
    found = read_list(text.encode())
    titles = [book.title for book in found]
    assert titles == ["Momo", "Emma by Jane Austen", "Sabriel", "978-0-00-000001-9"]
    assert ("Emma", "Jane Austen") in found[1].readings
    assert found[3].isbn == "978000000001"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\t\n",
        b"title,author\n,\n",
        b"\x00\x01\x02\xff",
        b"title,author\n" + b"x" * 200_000 + b",y\n",
        b"x" * (MAX_BYTES + 1),
        b"Momo\n" * (MAX_ROWS + 1),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_list_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(ReadingListError) as refused:
        read_list(data)
    assert "Momo" not in str(refused.value)


def test_whatever_a_line_holds_becomes_a_title_that_can_be_stored() -> None:
    found = read_list("Mo\x07mo\u2028 x\n".encode() + b"caf\xe9 " * 100)
    assert all(book.title.isprintable() and len(book.title) <= 300 for book in found)
    assert found[-1].title.startswith("café")


def test_an_entry_without_other_spellings_is_read_as_it_is() -> None:
    assert ListedBook("Emma", "Jane Austen").readings == (("Emma", "Jane Austen"),)


@pytest.mark.parametrize("filling", [" ", "(#", "("])
def test_a_line_or_cell_of_a_megabyte_is_cut_before_it_is_searched(filling: str) -> None:
    long = f"a{filling * (1_000_000 // len(filling))}b"
    assert len(read_list(long.encode())) == 1
    assert len(read_list(f"title,author\n{long[:100_000]},x\n".encode())) == 1
