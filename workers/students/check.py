"""How good the students' profiles are: what they know, and whether they say something."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from psycopg.rows import class_row

from workers.core.check_command import print_check
from workers.core.queries import query
from workers.core.stores import connection
from workers.neighbors.graph import read_vectors
from workers.students.silhouette import silhouette

COUNT = query("students/check.count_profiles")
SAMPLE = query("students/check.read_sample")
READ_GENRES = query("students/check.read_genres")

DEFAULT_SAMPLE = 1000
# With fewer loans a reading level has less than full confidence (workers/students/profile.py).
MANY_LOANS = 5
# Two halves of fewer loans would say nothing of somebody's taste.
MIN_LOANS = 4


@dataclass(frozen=True)
class ProfileQuality:
    """Figures of the profiles of `sample` students, drawn anew each time.

    `profile_completeness` is the mean share, in [0, 1], of these five that a profile has: a reading
    level from loans, bands, genres, a median loan length, five loans. A student without a profile
    has none of them.

    `preference_diversity` is the mean entropy of the genre shares over that of all the sample's
    genres in equal shares, in [0, 1]: 0 if everybody reads one genre, 1 if everybody reads all of
    them alike.

    `temporal_consistency` is the mean cosine, in [0, 1], between the genres of the earlier and of
    the later half of a student's loans, over students with four loans or more.

    `embedding_clustering` is the mean silhouette coefficient, in [-1, 1], of the vectors by cosine
    distance, grouped by the genre with the largest share: above 0 if students who read the same
    are nearer to each other than to the others.

    The figures are None where nobody in the sample can be counted.
    """

    students: int
    with_profile: int
    sample: int
    profile_completeness: float | None
    preference_diversity: float | None
    temporal_consistency: float | None
    embedding_clustering: float | None


@dataclass(frozen=True)
class Sampled:
    """What the check reads of one student's profile; empty shares if there is none."""

    student_id: str
    checkouts: int
    level_from_loans: bool
    band_shares: Mapping[str, float]
    genre_shares: Mapping[str, float]
    genre_entropy_bits: float | None
    median_loan_days: float | None

    @property
    def completeness(self) -> float:
        """The share of what a profile can know that this one knows, in [0, 1]."""
        known = (
            self.level_from_loans,
            bool(self.band_shares),
            bool(self.genre_shares),
            self.median_loan_days is not None,
            self.checkouts >= MANY_LOANS,
        )
        return sum(known) / len(known)


def check_profiles(sample: int = DEFAULT_SAMPLE) -> ProfileQuality:
    """Measure the profiles of up to `sample` students."""
    with connection() as conn:
        students, with_profile = conn.execute(COUNT).fetchone() or (0, 0)
        with conn.cursor(row_factory=class_row(Sampled)) as cursor:
            sampled = cursor.execute(SAMPLE, {"most": sample}).fetchall()
        return ProfileQuality(
            students,
            with_profile,
            len(sampled),
            _mean([each.completeness for each in sampled]),
            _diversity(sampled),
            _consistency(conn, sampled),
            _clustering(conn, sampled),
        )


def _diversity(sampled: Sequence[Sampled]) -> float | None:
    genres = {genre for each in sampled for genre in each.genre_shares}
    entropies = [
        each.genre_entropy_bits
        for each in sampled
        if each.genre_shares and each.genre_entropy_bits is not None
    ]
    # Where there is only one genre there is nothing to choose from.
    most = math.log2(len(genres)) if len(genres) > 1 else math.inf
    mean = _mean(entropies)
    return None if mean is None else mean / most


def _consistency(conn: psycopg.Connection, sampled: Sequence[Sampled]) -> float | None:
    genres_of: dict[str, list[Sequence[str]]] = defaultdict(list)
    for student_id, genres in conn.execute(
        READ_GENRES, {"ids": [each.student_id for each in sampled]}
    ):
        genres_of[student_id].append(genres)
    return _mean(
        [
            _cosine(_count(loans[: len(loans) // 2]), _count(loans[len(loans) // 2 :]))
            for loans in genres_of.values()
            if len(loans) >= MIN_LOANS
        ]
    )


def _clustering(conn: psycopg.Connection, sampled: Sequence[Sampled]) -> float | None:
    # Largest share first, names of the same share in alphabetical order, as profiles have it.
    main_genre = {
        each.student_id: min(each.genre_shares.items(), key=lambda share: (-share[1], share[0]))[0]
        for each in sampled
        if each.genre_shares
    }
    vectors = read_vectors(conn, list(main_genre))
    genres = [main_genre[student_id] for student_id in vectors]
    if not 1 < len(set(genres)) < len(genres):
        return None
    return silhouette(np.stack(list(vectors.values())), genres)


def _count(loans: Sequence[Sequence[str]]) -> Counter[str]:
    """Count how often each genre was borrowed, spelled as profiles spell it."""
    return Counter(genre.strip().lower() for genres in loans for genre in genres)


def _cosine(a: Counter[str], b: Counter[str]) -> float:
    """Compute the cosine of two counts that are not empty, in [0, 1]."""
    product = sum(count * b[genre] for genre, count in a.items())
    return product / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


if __name__ == "__main__":
    # `python -m workers.students.check [--sample N]`
    print_check("Measure the students' profiles.", check_profiles, DEFAULT_SAMPLE)
