"""The table of kinds: every kind has its row, and an actor on the queue that the row names."""

import pytest

import actors  # noqa: F401  # registers the actors of keys
from actors import notify
from workers.core.vocabulary import Kind
from workers.ledger.kinds import PIPELINES, batch_size, followers, limit_seconds, queue_of


def test_every_kind_has_its_row() -> None:
    assert list(PIPELINES) == list(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_an_actor_on_its_queue(kind: Kind) -> None:
    assert notify.actor_of(kind).queue_name == queue_of(kind)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_batch_size_and_a_limit(kind: Kind) -> None:
    assert batch_size(kind) >= 1
    assert limit_seconds(kind) > 0


def test_no_kind_follows_from_itself() -> None:
    follows = followers()
    for kind in Kind:
        seen = [kind]
        while seen[-1] in follows:
            seen.append(follows[seen[-1]])
            assert len(set(seen)) == len(seen)
