"""Parts of an endpoint that do not fit: at import its handler, in a request its parameters."""

from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from routes.http.operations import OPEN, Operation
from routes.http.parameters import (
    Parameter,
    encode_cursor,
    path_id,
    path_uuid,
    query_cursor,
    query_limit,
)
from routes.http.problems import Problem

RUN_ID, LIMIT = path_uuid("run_id"), query_limit(200, 50)


def get_run(run_id: UUID, limit: int) -> Response:
    return Response(f"{run_id} {limit}")


async def get_run_on_loop(request: Request, run_id: UUID) -> Response:
    return Response(f"{request.url.path} {run_id}")


def operation(**fields: Any) -> Operation:
    fitting: dict[str, Any] = {
        "method": "GET",
        "path": "/runs/{run_id}",
        "handler": get_run,
        "parameters": (RUN_ID, LIMIT),
        "summary": "One run.",
        "role": OPEN,
    }
    return Operation(**fitting | fields)


def test_a_handler_that_takes_other_arguments_than_its_operation_has_is_refused() -> None:
    assert operation().refusals == (422,)
    for wrong in (
        {"parameters": (RUN_ID,)},
        {"parameters": (LIMIT, RUN_ID)},
        {"path": "/runs/{id}"},
        {"path": "/runs"},
        {"handler": get_run_on_loop},
    ):
        with pytest.raises(ValueError, match="get_run"):
            operation(**wrong)


def test_a_handler_on_the_event_loop_is_neither_audited_nor_alone() -> None:
    on_loop = {"handler": get_run_on_loop, "parameters": (RUN_ID,)}
    operation(**on_loop)
    for wrong in ({"audited": True}, {"alone": True}):
        with pytest.raises(ValueError, match="coroutine"):
            operation(**on_loop, **wrong)


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (LIMIT, None, 50),
        (LIMIT, "7", 7),
        (LIMIT, "0999999999999", 200),
        (path_id("doc_id"), "a%2Fb%20%C3%A4", "a/b ä"),
        (query_cursor(int, str), None, (None, None)),
        (query_cursor(int, str), encode_cursor(7, "x"), (7, "x")),
    ],
)
def test_a_parameter_is_read_as_its_type(
    parameter: Parameter[object], text: str | None, value: object
) -> None:
    assert parameter.parse(text) == value


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (LIMIT, ""),
        (LIMIT, "0"),
        (LIMIT, "-1"),
        (LIMIT, "1.5"),
        (LIMIT, "²"),
        (RUN_ID, "1"),
        (path_id("doc_id"), "%FF"),
        (path_id("doc_id"), "x" * 201),
        (query_cursor(int), "nonsense"),
        (query_cursor(int), encode_cursor(1, 2)),
        (query_cursor(int), encode_cursor(-1)),
        (query_cursor(str), encode_cursor("\0")),
    ],
)
def test_what_does_not_fit_a_parameter_is_a_422_that_names_it(
    parameter: Parameter[object], text: str
) -> None:
    with pytest.raises(Problem) as refused:
        parameter.parse(text)
    assert refused.value.status == 422
    assert refused.value.errors[0]["loc"] == [parameter.name]


def test_a_cursor_of_another_list_is_refused_and_ones_own_leads_on(client: TestClient) -> None:
    assert client.get("/runs", params={"cursor": encode_cursor(7)}).status_code == 422
    assert client.get("/audit", params={"cursor": encode_cursor(7)}).status_code == 200
