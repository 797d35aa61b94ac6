"""The map of readers: points where profiles are, neighbours that light up, the same as a table."""

import re

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.api.test_access import HOMEROOM
from tests.library import change, rows
from tests.library_pages.school import name_of
from workers.library import reader_map
from workers.library.principal_plane import fit_plane
from workers.library.reader_map import read_map

PATH = "/library/map"


def circles(text: str) -> list[dict[str, str]]:
    """The attributes of each point, in order."""
    return [
        dict(re.findall(r'([\w-]+)="([^"]*)"', each)) for each in re.findall(r"<circle .*?/>", text)
    ]


def table(text: str) -> list[str]:
    """The ids of the children in the table, in order."""
    body = text.partition('<tbody id="readers">')[2].partition("</tbody>")[0]
    return re.findall(r'<th scope="row"><a href="/library/students/(\w+)"', body)


def test_every_child_is_a_point_and_a_row_with_the_same_facts(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    assert re.findall(r'/library/students/(\w+)" tabindex="-1"><title>', text) == table(text)
    assert sorted(table(text)) == sorted(f"S{number}" for number in range(20))
    assert f"{name_of(0)}, grade 4: dogs, " in text
    assert '<span class="key part-0">dogs <b>10</b></span>' in text
    assert '<span class="key part-1">space <b>10</b></span>' in text


def test_those_who_read_alike_are_near_each_other(librarian: TestClient) -> None:
    points = {point.reader.student_id: point for point in read_map().points}
    places = {key: np.array([point.x, point.y]) for key, point in points.items()}
    dogs = np.mean([places[f"S{number}"] for number in range(0, 20, 2)], axis=0)
    space = np.mean([places[f"S{number}"] for number in range(1, 20, 2)], axis=0)
    for number in range(20):
        own, other = (space, dogs) if number % 2 else (dogs, space)
        place = places[f"S{number}"]
        assert np.linalg.norm(place - own) < np.linalg.norm(place - other)


def test_a_point_names_the_neighbours_that_readers_see(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    ids = table(text)
    stored = "SELECT b FROM student_similarity WHERE a = 'S0' ORDER BY sim DESC, b LIMIT 15"
    expected = [other for (other,) in rows(stored)]
    near = circles(text)[ids.index("S0")]["data-near"].split()
    assert [ids[int(place)] for place in near] == expected


def test_one_class_stays_where_it_is_on_the_map_of_all(librarian: TestClient) -> None:
    everybody = {point.reader.student_id: (point.x, point.y) for point in read_map().points}
    own = read_map(HOMEROOM)
    assert own.students == 10
    for point in own.points:
        assert (point.x, point.y) == pytest.approx(everybody[point.reader.student_id], abs=1e-5)
    assert len(circles(librarian.get(PATH, params={"homeroom": HOMEROOM}).text)) == 10
    assert len(circles(librarian.get(PATH, params={"grade": "4"}).text)) == 20
    assert "Nobody of this class or grade" in librarian.get(PATH, params={"grade": "9"}).text
    assert "Nobody of this class" in librarian.get(PATH, params={"homeroom": "Mx. No"}).text
    assert librarian.get(PATH, params={"grade": "99"}).status_code == 422


def test_beyond_the_bound_the_same_children_are_drawn_each_time_and_the_page_says_so(
    librarian: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_map, "MAX_POINTS", 6)
    text = librarian.get(PATH).text
    assert "6 of 20 children are drawn" in text
    assert len(table(text)) == 6
    assert table(librarian.get(PATH).text) == table(text)


def test_a_child_without_loans_is_drawn_and_one_without_a_profile_is_counted(
    librarian: TestClient,
) -> None:
    change("UPDATE student_profiles SET profile = profile - 'genre_shares' WHERE student_id = 'S0'")
    change("DELETE FROM student_embeddings WHERE student_id = 'S1'")
    text = librarian.get(PATH).text
    assert "no genre yet <b>1</b>" in text
    assert "One child has no profile yet" in text
    change("DELETE FROM student_embeddings")
    assert "There is nobody to place yet." in librarian.get(PATH).text


def test_a_plane_holds_what_two_directions_hold(subtests: pytest.Subtests) -> None:
    rng = np.random.default_rng(3)
    flat = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 40)) + 5
    for size, least in ((0.0, 0.999), (0.1, 0.9)):
        with subtests.test(noise=size):
            vectors = (flat + size * rng.normal(size=flat.shape)).astype(np.float32)
            plane = fit_plane(vectors)
            exact = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
            assert plane.share == pytest.approx(exact[:2].sum() / exact.sum(), rel=1e-3)
            assert plane.share > least
            assert plane.axes.T @ plane.axes == pytest.approx(np.eye(2), abs=1e-4)
            assert (fit_plane(vectors).axes == plane.axes).all()
    one = fit_plane(np.ones((1, 5), np.float32))
    assert one.place(np.ones((1, 5), np.float32)).tolist() == [[0, 0]]
    assert one.share == 0
