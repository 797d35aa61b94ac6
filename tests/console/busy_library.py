"""Events that keep the console's pages from being empty."""

GENRES = ("fantasy", "mystery", "science", "history", "poetry")


def books() -> list[dict[str, object]]:
    return [
        {
            "event_type": "book_added",
            "book_id": f"B{n:02}",
            "title": f"Title {n}",
            "genre": [GENRES[n % 5]],
            "reading_level": 1.0 + n % 9,
        }
        for n in range(25)
    ]


def loans(*students: str) -> list[dict[str, object]]:
    """A few loans of each."""
    return [
        {
            "event_type": "checkout_added",
            "student_id": student,
            "book_id": f"B{(int(student[1:]) * 3 + n) % 25:02}",
            "checkout_date": f"2026-03-{1 + n:02}",
        }
        for student in students
        for n in range(4)
    ]


def platform() -> list[dict[str, object]]:
    """A user and a post, for the kinds that students have not."""
    return [
        {"event_type": "post_added", "post_id": "P1", "text": "A library for everybody"},
        {"event_type": "user_action", "user_id": "U1", "post_id": "P1", "action": "like_post"},
    ]


def names(first: int, last: int) -> list[str]:
    return [f"S{n:03}" for n in range(first, last + 1)]
