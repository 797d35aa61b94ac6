"""Invents a sample platform: posts about the catalogue's books, and what readers did with them.

Reads catalog.csv beside this file and writes posts.csv and actions.csv, always the same. Times are
hours before the moment of loading, so that the sample is always recent.
"""

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sample.generate import TASTES, write_csv

HERE = Path(__file__).parent
SEED = 20261120
POSTS_PER_TASTE = 40
USERS = 40
ACTIONS_PER_USER = (12, 40)
HOURS = 28 * 24
ACTIONS = ("view_post", "like_post", "comment_post", "bookmark_post", "share_post", "hide_post")
LIKED = (50, 25, 8, 8, 8, 1)
NOT_LIKED = (85, 6, 3, 2, 0, 4)
OPENINGS = (
    "Just finished {title} by {author}.",
    "Anyone else read {title} ({author})?",
    "Rereading {title} by {author}.",
    "Our group picked {title} by {author}.",
    "Notes on {title} by {author}.",
)
# What people write about when they write about a genre.
WORDS = {
    "fantasy": ("dragons", "magic", "quest", "kingdom", "prophecy", "wizards", "swords"),
    "mystery": ("clues", "detective", "culprits", "alibi", "secret", "solved", "motive"),
    "science fiction": ("spaceship", "robots", "planet", "future", "aliens", "orbit", "machines"),
    "historical fiction": ("war", "past", "century", "village", "letters", "settlers", "history"),
    "realistic fiction": (
        "school",
        "friendship",
        "family",
        "moving",
        "feelings",
        "divorce",
        "home",
    ),
    "humor": ("laughing", "jokes", "silly", "pranks", "hilarious", "disaster", "cartoons"),
    "animals": ("dog", "horse", "rescue", "wild", "farm", "loyal", "paws"),
    "nonfiction": (
        "facts",
        "science",
        "true",
        "experiments",
        "biography",
        "research",
        "photos",
    ),
}


@dataclass(frozen=True)
class Post:
    """A post about one book; `taste` is hidden and never written."""

    post_id: str
    text: str
    hours_ago: int
    taste: str


def invent_posts(rng: random.Random, books: Sequence[dict[str, str]]) -> list[Post]:
    """Equally many for each taste, in the order of their times."""
    drafts = []
    for taste in TASTES:
        fitting = [book for book in books if taste in json.loads(book["genre"])]
        for book in rng.sample(fitting, POSTS_PER_TASTE):
            fields = {
                "title": book["title"],
                "author": book["author"],
            }
            words = ", ".join([*rng.sample(WORDS[taste], 4), *json.loads(book["keywords"])[:3]])
            text = f"{rng.choice(OPENINGS)} {taste.capitalize()}: {words}.".format(**fields)
            drafts.append((rng.randrange(HOURS), text, taste))
    drafts.sort(reverse=True)
    return [
        Post(f"P{number:03d}", text, hours_ago, taste)
        for number, (hours_ago, text, taste) in enumerate(drafts, start=1)
    ]


def invent_actions(rng: random.Random, posts: Sequence[Post]) -> list[tuple[str, str, str, int]]:
    """User, post, action and hours ago: four of five actions are about the user's taste."""
    actions = []
    for number in range(USERS):
        taste = TASTES[number % len(TASTES)]
        liked = [post for post in posts if post.taste == taste]
        for _ in range(rng.randint(*ACTIONS_PER_USER)):
            post = rng.choice(liked if rng.random() < 0.8 else posts)
            weights = LIKED if post.taste == taste else NOT_LIKED
            (action,) = rng.choices(ACTIONS, weights)
            actions.append(
                (f"U{number + 1:02d}", post.post_id, action, rng.randint(0, post.hours_ago))
            )
    return sorted(actions, key=lambda action: (-action[3], *action[:3]))


def main() -> None:
    """Writes both files and says how many rows each holds."""
    with (HERE / "catalog.csv").open(encoding="utf-8", newline="") as file:
        books = list(csv.DictReader(file))
    rng = random.Random(SEED)
    posts = invent_posts(rng, books)
    actions = invent_actions(rng, posts)
    rows = [(post.post_id, post.text, post.hours_ago) for post in posts]
    write_csv(HERE / "posts.csv", ("post_id", "text", "hours_ago"), rows)
    write_csv(HERE / "actions.csv", ("user_id", "post_id", "action", "hours_ago"), actions)
    print(f"posts.csv {len(posts)} rows, actions.csv {len(actions)} rows")


if __name__ == "__main__":
    main()
