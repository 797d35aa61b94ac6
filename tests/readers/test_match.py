"""A list is matched with the catalogue by ISBN, by title and author, and in spite of errors."""

import doctest

import pytest

from tests.library import book, record
from workers.readers import exports, listed, shelf, store
from workers.readers.listed import ListedBook
from workers.readers.match import match_books
from workers.readers.shelf import Shelf, make_shelf

TITLES: dict[str, tuple[str, str | None]] = {
    "B1": ("The Lion, the Witch and the Wardrobe", "C. S. Lewis"),
    "B2": ("Hatchet: A Story of Survival", "Gary Paulsen"),
    "B3": ("Emma", "Jane Austen"),
    "B4": ("Emma", "Alexander McCall Smith"),
    "B5": ("Ronia, the Robber's Daughter", "Astrid Lindgren"),
    "B6": ("Dog Man 1", "Dav Pilkey"),
    "B7": ("Dog Man 2", "Dav Pilkey"),
    "B8": ("Pippi Långstrump", None),
    "B9": ("Holes", "Louis Sachar"),
    "C1": ("Moles", "Somebody Else"),
}


@pytest.fixture
def shelf_of_ten(stores: None) -> Shelf:
    record(*(book(key, title, author=author) for key, (title, author) in TITLES.items()))
    return make_shelf(TITLES)


def found(shelf: Shelf, *books: ListedBook) -> list[str | None]:
    return [each.book_id for each in match_books(shelf, books)]


@pytest.mark.parametrize(
    ("title", "author", "book_id"),
    [
        ("the lion the witch & the wardrobe", None, "B1"),
        ("The Loin, the Witch and the Wardrob", None, "B1"),
        ("Lion, Witch and Wardrobe", "Lewis, C.S.", "B1"),
        ("Hatchet", None, "B2"),
        ("Hatchet: Thirtieth Anniversary Edition", "Gary Paulsen", "B2"),
        ("Emma", None, "B3"),
        ("Emma", "McCall Smith, Alexander", "B4"),
        ("Emma", "Somebody Else", None),
        ("Ronja the Robbers Daughter", "Astrid Lingren", "B5"),
        ("Dog Man 2", None, "B7"),
        ("Dog Man 3", "Dav Pilkey", None),
        ("pippi langstrump", "Astrid Lindgren", "B8"),
        ("Holse", "Louis Sachar", "B9"),
        ("A Book of Invented Trains", None, None),
        ("!!!", None, None),
    ],
)
def test_a_title_is_found_as_people_write_it_and_no_other_for_it(
    shelf_of_ten: Shelf, title: str, author: str | None, book_id: str | None
) -> None:
    assert found(shelf_of_ten, ListedBook(title, author)) == [book_id]


def test_an_isbn_says_more_than_a_title_whatever_its_form(shelf_of_ten: Shelf) -> None:
    record(book("B2", TITLES["B2"][0], isbn="0-439-02348-3"))
    isbn = listed.isbn_core("9780439023481")
    assert found(shelf_of_ten, ListedBook("Emma", isbn=isbn)) == ["B2"]


def test_a_line_may_end_with_an_author_and_a_title_may_hold_by(shelf_of_ten: Shelf) -> None:
    record(book("B10", "Stand by Me", author="Stephen King"))
    shelf = make_shelf({**TITLES, "B10": ("Stand by Me", "Stephen King")})
    lines = b"Stand by Me\nEmma by Alexander McCall Smith\nHoles - Louis Sachar\n"
    assert found(shelf, *exports.read_list(lines)) == ["B10", "B4", "B9"]


def test_a_book_that_stands_twice_in_a_list_counts_once(shelf_of_ten: Shelf) -> None:
    twice = [ListedBook("Holes"), ListedBook("Unknown"), ListedBook("holes"), ListedBook("Unknown")]
    assert found(shelf_of_ten, *twice) == ["B9", None, None]


def test_an_id_that_a_list_brings_counts_only_if_the_catalogue_has_it(shelf_of_ten: Shelf) -> None:
    brought = [ListedBook("x", book_id="B9"), ListedBook("Emma", book_id="gone")]
    assert found(shelf_of_ten, *brought) == ["B9", "B3"]


def test_nothing_is_found_in_an_empty_library(stores: None) -> None:
    assert found(make_shelf({}), ListedBook("Emma"), ListedBook("Holes")) == [None, None]


@pytest.mark.parametrize("module", [exports, listed, shelf, store])
def test_the_examples_in_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
