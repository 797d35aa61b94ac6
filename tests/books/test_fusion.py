"""Two rankings become one: worked out by hand."""

from workers.books.fusion import fuse


def test_a_book_in_both_rankings_stands_before_the_first_of_either() -> None:
    ranked = fuse(["near", "both"], ["held", "both"], {})
    assert [book_id for book_id, _ in ranked] == ["both", "held", "near"]
    assert ranked[0][1] == 1 / 62 + 1 / 62
    assert ranked[1][1] == ranked[2][1] == 1 / 61


def test_the_book_that_a_query_names_stands_before_one_that_is_near_and_holds_its_words() -> None:
    words = ["named", "both"]
    assert fuse(["both"], words, {})[0][0] == "both"
    assert fuse(["both"], words, {"named": 2})[0] == ("named", 6 / 61)
    assert fuse(["both"], words, {"named": 1})[0] == ("named", 2 / 61)


def test_one_ranking_alone_keeps_its_order() -> None:
    assert [book_id for book_id, _ in fuse(["a", "b"], [], {})] == ["a", "b"]
    assert [book_id for book_id, _ in fuse([], ["a", "b"], {})] == ["a", "b"]
    assert fuse([], [], {}) == []
