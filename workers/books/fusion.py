"""Reciprocal rank fusion (Cormack et al. 2009): two rankings whose scores cannot be compared."""

from collections.abc import Mapping, Sequence

# The literature's constant: the larger, the less the first places of a ranking weigh.
RANK_CONSTANT = 60
# What a place among the words counts where the query's words are somewhere in the book, where all
# stand in title and author's name, and where the query is the title or the name: whoever types that
# means it, whatever is near in meaning.
NAMED_WEIGHTS = (1.0, 2.0, 6.0)


def fuse(
    meaning: Sequence[str], words: Sequence[str], named: Mapping[str, int]
) -> list[tuple[str, float]]:
    """Rank what either ranking holds by the sum of 1 / (60 + place); ties go to words.

    Args:
        meaning: ids, the nearest first.
        words: ids, the best first.
        named: how much of the query each of `words` is named by, a place in `NAMED_WEIGHTS`.

    Returns:
        Ids with their scores, the best first.

    >>> [book_id for book_id, _ in fuse(["a", "b"], ["c", "b"], {})]
    ['b', 'c', 'a']
    """
    scores: dict[str, float] = {}
    for place, book_id in enumerate(words, 1):
        scores[book_id] = NAMED_WEIGHTS[named.get(book_id, 0)] / (RANK_CONSTANT + place)
    for place, book_id in enumerate(meaning, 1):
        scores[book_id] = scores.get(book_id, 0.0) + 1 / (RANK_CONSTANT + place)
    # Sorting is stable, and words came first.
    return sorted(scores.items(), key=lambda item: -item[1])
