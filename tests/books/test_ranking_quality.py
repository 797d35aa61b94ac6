"""The measures of lists, by hand and against independent libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.metrics import ndcg_score, recall_score

from workers.books import ranking_quality as quality

pytestmark = pytest.mark.slow


def matrix(rows: list[list[int]], books: int) -> sparse.csr_array:
    dense = np.zeros((len(rows), books))
    for reader, relevant in enumerate(rows):
        dense[reader, relevant] = 1
    return sparse.csr_array(dense)


def test_hits_at_ranks_one_and_four_of_three_by_hand() -> None:
    lists = np.arange(10, dtype=np.int32)[None]
    relevant = matrix([[0, 3, 15]], 20)
    assert quality.ndcg(lists, relevant) == pytest.approx([0.67139], abs=5e-6)
    assert quality.recall(lists, relevant) == pytest.approx([2 / 3])


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 15))
def test_ndcg_and_recall_are_those_of_scikit_learn(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(40.0), (8, 1)), axis=1)
    relevant = rng.random((8, 40)) < 0.15
    relevant[:, 0] = True
    lists = np.argsort(-scores, axis=1).astype(np.int32)
    found = quality.ndcg(lists, sparse.csr_array(relevant.astype(float)), k)
    assert found.mean() == pytest.approx(ndcg_score(relevant, scores, k=k))
    shown = scores >= np.sort(scores, axis=1)[:, -k][:, None]
    recalls = [recall_score(*each) for each in zip(relevant, shown, strict=True)]
    assert quality.recall(lists, sparse.csr_array(relevant), k) == pytest.approx(recalls)


def test_a_short_list_is_worth_what_it_holds_and_nothing_relevant_is_no_number() -> None:
    lists = np.array([[4, -1, -1], [-1, -1, -1], [1, 2, 3]], np.int32)
    relevant = matrix([[4], [4], []], 5)
    assert quality.ndcg(lists, relevant, 3).tolist()[:2] == [1, 0]
    assert np.isnan(quality.ndcg(lists, relevant, 3)[2])
    assert np.isnan(quality.recall(lists, relevant, 3)[2])


def test_coverage_head_and_novelty_by_hand() -> None:
    lists = np.array([[0, 1], [0, -1]], np.int32)
    popularity = [8, 2, *[0] * 18]
    assert quality.coverage(lists, 20) == 2 / 20
    assert quality.head_share(lists, popularity) == 1
    assert quality.head_share(np.array([[0, 5]], np.int32), popularity) == 0.5
    assert quality.novelty(lists, popularity, readers=8) == pytest.approx((0 + 2 + 0) / 3)
    assert quality.novelty(np.array([[9]], np.int32), popularity, readers=8) == 4


def test_the_interval_is_about_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(300)
    second = first - rng.normal(0.05, 0.2, 300)
    found = quality.bootstrap(first, second)
    theirs = stats.bootstrap(
        (first - second,), np.mean, n_resamples=1000, method="percentile", rng=1
    ).confidence_interval
    assert found.mean == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert found == quality.bootstrap(first, second)


def test_readers_without_a_number_are_left_out_in_pairs() -> None:
    values = np.array([0.5, np.nan, 1.0])
    assert quality.bootstrap(values, np.array([0.5, 0.1, np.nan])).mean == 0
    assert np.isnan(quality.bootstrap(np.array([np.nan])).mean)
