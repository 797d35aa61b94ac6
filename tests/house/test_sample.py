"""The sample library: good neighbours stand apart from bad ones, and Kinfold finds them."""

import csv
import filecmp
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.work_off import work_off
from workers.core.settings import settings
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ledger.contract import summarize
from workers.ledger.freshness import find_overdue
from workers.operations.load_sample import SAMPLE, load_platform, load_sample
from workers.students.read import read_neighbors, read_student
from workers.users.recommend import recommend_posts

pytestmark = pytest.mark.slow

# In the order in which sample/generate.py deals them out.
TASTES = (
    "fantasy",
    "mystery",
    "science fiction",
    "historical fiction",
    "realistic fiction",
    "humor",
    "animals",
    "nonfiction",
)


def load_and_work_off() -> list[str]:
    assert load_sample()
    work_off(find_overdue())
    with connection() as conn:
        return [student_id for (student_id,) in conn.execute("SELECT student_id FROM students")]


def leading_genre(student_id: str) -> str:
    profile = read_student(student_id).profile
    assert profile is not None
    shares = profile["genre_shares"]
    assert isinstance(shares, dict)
    return str(next(iter(shares)))


@pytest.mark.parametrize("dimensions", [300, 1536])
def test_three_of_four_neighbours_share_their_leading_taste(
    stores: None, configure: Callable[..., None], dimensions: int
) -> None:
    configure(EMBEDDING_DIMENSIONS=dimensions)
    students = load_and_work_off()
    taste = {student_id: leading_genre(student_id) for student_id in students}
    lists = {student_id: read_neighbors(student_id).neighbors for student_id in students}
    same = [
        taste[neighbor.student_id] == taste[student_id]
        for student_id, neighbors in lists.items()
        for neighbor in neighbors
    ]
    assert {len(neighbors) for neighbors in lists.values()} == {settings().max_neighbors}
    assert sum(same) / len(same) >= 0.75


def test_everything_is_fresh_after_the_sample_is_worked_off(stores: None) -> None:
    load_and_work_off()
    assert {row.kind: (row.total, row.fresh) for row in summarize()} == {
        Kind.student_embedding: (120, 120),
        Kind.student_neighbors: (120, 120),
        Kind.book_embedding: (685, 685),
        Kind.post_embedding: (320, 320),
        Kind.user_embedding: (40, 40),
        Kind.user_removal: (0, 0),
    }


def test_recommendations_follow_the_hidden_taste_far_more_often_than_by_chance(
    stores: None,
) -> None:
    load_platform()
    with (SAMPLE / "posts.csv").open(newline="") as file:
        posts = list(csv.DictReader(file))
    taste_of_post = {
        post["post_id"]: next(taste for taste in TASTES if f"{taste}:" in post["text"].lower())
        for post in posts
    }
    followed = []
    for number in range(40):
        found = recommend_posts(f"U{number + 1:02d}", 10)
        assert found.based_on == "interests"
        tastes = [taste_of_post[each.post_id] for each in found.recommendations]
        assert len(tastes) == 10
        followed += [taste == TASTES[number % len(TASTES)] for taste in tastes]
    assert sum(followed) / len(followed) > 4 / len(TASTES)


def test_the_sample_is_loaded_once(stores: None) -> None:
    assert load_sample()
    assert not load_sample()


def test_the_generators_make_the_files_that_are_there(tmp_path: Path) -> None:
    copy = tmp_path / "sample"
    copy.mkdir()
    generators = ("generate", "generate_catalog", "generate_posts")
    sources = [f"{name}.py" for name in generators]
    for name in (*sources, "catalog.csv", "series.csv", "descriptions.csv"):
        shutil.copy(SAMPLE / name, copy)
    for name in generators:
        command = [sys.executable, "-m", f"sample.{name}"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    made = ("students.csv", "checkouts.csv", "catalog.csv", "posts.csv", "actions.csv")
    for name in made:
        assert filecmp.cmp(SAMPLE / name, copy / name, shallow=False)


def test_half_of_the_books_have_a_sentence_of_their_own() -> None:
    with (SAMPLE / "catalog.csv").open(newline="") as file:
        sentences = [row["description"] for row in csv.DictReader(file)]
    given = [sentence for sentence in sentences if sentence]
    assert len(given) == (len(sentences) + 1) // 2
    assert len(set(given)) == len(given)
    assert all(sentence[-1] in ".?" and 5 <= len(sentence.split()) <= 30 for sentence in given)
