"""Forms of the console: each does what an operation of the API does, for whoever is logged in."""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from routes.console.pages import answered_by_pages, front_of, render
from routes.console.sessions import (
    Flash,
    check_token,
    end_session,
    leave_flash,
    local_path,
    read_session,
    start_session,
)
from routes.http.access import admit, check_attempts, count_wrong_key, refuse_other_sites
from routes.http.children import check_child
from routes.http.operations import Form, Operation
from routes.http.problems import Problem, answered
from workers.core.api_keys import Role, find_key
from workers.core.settings import settings
from workers.core.stored_keys import known_keys
from workers.operations.ended_sessions import end

PREFIX = "/console/forms"
LATER = "try again later"
# The largest form chooses among the rows of a page.
FORM_MAX_BYTES = 256 * 1024
FORM_MAX_FIELDS = 1000


def form_routes(operations: Sequence[Operation]) -> list[Route]:
    """Make the route of every operation's form."""
    return [
        Route(PREFIX + operation.path, _endpoint(operation, operation.form), methods=["POST"])
        for operation in operations
        if operation.form is not None
    ]


def _endpoint(operation: Operation, form: Form) -> Callable[[Request], Response]:
    def submit(request: Request) -> Response:
        refuse_other_sites(request)
        session = read_session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        request.state.session = session
        fields = read_form(request)
        check_token(session, fields.get("token", [""])[0])
        admit(request, session.caller, operation.role or Role.admin, operation.also)
        if operation.names_child:
            check_child(request)
        flash = _do(request, operation, form, fields)
        response = RedirectResponse(local_path(fields.get("back", [""])[0]), 303)
        leave_flash(response, flash)
        return response

    return answered_by_pages(submit)


def _do(request: Request, operation: Operation, form: Form, fields: dict[str, list[str]]) -> Flash:
    """Handle the operation with the form's fields as its body."""
    if operation.accepts:
        chosen: dict[str, object] = {
            name: values if name in form.lists else values[0]
            for name, values in fields.items()
            if name not in ("token", "back", "choose")
        }
        if fields.get("choose", [""])[0] not in {"", *chosen}:
            return Flash("Choose some first.", ok=False)
        if "all" in chosen:
            chosen["all"] = True
        request.state.body = json.dumps(chosen).encode()
    else:
        request.state.body = b""
    answer = answered(request, operation.act)
    body = json.loads(bytes(answer.body))
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        why = body["detail"] if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else LATER
        return Flash(f"Not done: {why}", ok=False)
    named = {name: unquote(value) for name, value in request.path_params.items()}
    return Flash(form.done.format(**{**body, **named}), ok=True)


def read_form(request: Request) -> dict[str, list[str]]:
    """Read the fields of a form, each with its values.

    Raises:
        Problem: 413, it is larger than any of the console's; anybody may send one to the login.
    """
    body: bytes = request.state.body
    if len(body) > FORM_MAX_BYTES:
        raise Problem(413, f"a form has at most {FORM_MAX_BYTES} bytes")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(body.decode(errors="replace"), max_num_fields=FORM_MAX_FIELDS)
    except ValueError:
        raise Problem(413, f"a form has at most {FORM_MAX_FIELDS} fields") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def get_login(request: Request) -> Response:
    """Show the page that asks for a key."""
    if not settings().api_keys:
        return RedirectResponse("/", 303)
    following = local_path(request.query_params.get("next"))
    return render(request, None, "login.html", title="Log in", following=following, wrong=None)


def post_login(request: Request) -> Response:
    """Begin a session if the key is known."""
    refuse_other_sites(request)
    check_attempts(request)
    fields = read_form(request)
    presented = fields.get("key", [""])[0].strip()
    following = local_path(fields.get("next", [""])[0])
    key = find_key(known_keys(), presented)
    if key is None:
        if presented:
            count_wrong_key(request, presented)
        wrong = "This key is not known."
        return render(
            request, None, "login.html", 401, title="Log in", following=following, wrong=wrong
        )
    response = RedirectResponse(front_of(key.role) if following == "/" else following, 303)
    start_session(response, key)
    return response


def post_logout(request: Request) -> Response:
    """End the session, and send to the login."""
    refuse_other_sites(request)
    session = read_session(request)
    if session is not None:
        check_token(session, read_form(request).get("token", [""])[0])
        end(session.token)
    response = RedirectResponse("/login", 303)
    end_session(response)
    return response


LOGIN_ROUTES = [
    Route("/login", get_login, methods=["GET"]),
    Route("/login", answered_by_pages(post_login), methods=["POST"]),
    Route("/logout", answered_by_pages(post_logout), methods=["POST"]),
]
