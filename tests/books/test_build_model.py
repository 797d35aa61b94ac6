"""A model's run: killed anywhere, readers keep the model before; then it begins anew."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.shelf import lend
from workers.books import build_model as run
from workers.books.build_model import build_model
from workers.books.model import solve_model
from workers.books.model_store import list_models
from workers.core.stores import connection
from workers.jobs.runs import RunKind, create_run, read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stores")]


class Killed(BaseException):
    """As if the process had ended: nothing catches it to tidy up."""


def kill(*_arguments: object, **_named: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    "step", ["choose_model", "measure_offline", "solve_model", "activate_model"]
)
def test_a_killed_run_begins_anew_and_readers_keep_the_model_before(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    lend()
    (before,) = list_models()
    run_id = create_run(RunKind.recommendation_model)
    with monkeypatch.context() as patched:
        patched.setattr(run, step, kill)
        with pytest.raises(Killed):
            build_model(run_id)
    assert [model.model_id for model in list_models() if model.active] == [before.model_id]
    _lose_lease(run_id)
    after = build_model(run_id)
    assert [model.model_id for model in list_models() if model.active] == [after]
    assert len(list_models()) == 2
    assert read_run(run_id).state == "done"


def test_a_run_that_somebody_else_works_on_is_left_alone() -> None:
    lend()
    run_id = create_run(RunKind.recommendation_model)
    calls: list[int | None] = []

    def meanwhile(original: Callable[..., object]) -> Callable[..., object]:
        def inner(*arguments: object, **named: object) -> object:
            calls.append(build_model(run_id))
            return original(*arguments, **named)

        return inner

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "solve_model", meanwhile(solve_model))
        assert build_model(run_id) is not None
    assert calls == [None]


def _lose_lease(run_id: UUID) -> None:
    """Let the lease of the killed worker be over, and the run be active."""
    with connection() as conn:
        conn.execute(
            "UPDATE runs SET state = 'running', finished_at = NULL, lease_until = now()"
            " WHERE run_id = %s",
            [run_id],
        )
