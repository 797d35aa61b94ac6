"""Acts of the library's pages: a form is posted, something is done, the page says what."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from actors.notify import notify
from routes.console.forms import LATER, read_form
from routes.console.pages import answered_by_pages
from routes.console.sessions import Flash, check_token, leave_flash, local_path, read_session
from routes.http.access import admit, refuse_other_sites
from routes.http.children import check_child
from routes.http.operations import audited
from routes.http.parameters import Parameter, bind
from routes.http.problems import answered
from workers.core.api_keys import Role
from workers.core.metrics import EVENTS_ACCEPTED
from workers.ingest.events import Event
from workers.ingest.record import record_events

PREFIX = "/library/acts"
# What every form carries beside what it is about: its session's token, and the page it is on.
OF_THE_FORM = ("token", "back")

Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a form does.

    Attributes:
        path: beneath /library/acts; of one that names a student a teacher may do it for the
            children of their homerooms only.
        act: takes `fields`, each with its values, and the parameters of the path; before them the
            request if it needs it. Returns what the page says afterwards; a Problem says why not.
        audited: whether it is recorded with the name of its key. What is about a child is not: it
            would stay behind when the child goes.
    """

    path: str
    act: Callable[..., str]
    parameters: tuple[Parameter[Any], ...] = ()
    role: Role = Role.teacher
    audited: bool = False

    def route(self) -> Route:
        """Make the Starlette route: session, role, whose child, then the act."""
        return Route(PREFIX + self.path, answered_by_pages(self._submit), methods=["POST"])

    def _submit(self, request: Request) -> Response:
        refuse_other_sites(request)
        session = read_session(request)
        if session is None:
            return RedirectResponse("/login", 303)
        request.state.session = session
        fields = read_form(request)
        check_token(session, fields.get("token", [""])[0])
        admit(request, session.caller, self.role)
        if "{student_id}" in self.path:
            check_child(request)
        request.state.fields = {
            name: values for name, values in fields.items() if name not in OF_THE_FORM
        }
        response = RedirectResponse(local_path(fields.get("back", [""])[0]), 303)
        leave_flash(response, self._flash(request))
        return response

    def _flash(self, request: Request) -> Flash:
        """Do it, and say what came of it."""
        request.state.body = json.dumps(request.state.fields).encode()
        action = f"POST {PREFIX}{self.path}"
        answer = audited(request, action, self._do) if self.audited else answered(request, self._do)
        body = json.loads(bytes(answer.body))
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Flash(f"Not done: {LATER}", ok=False)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            return Flash(f"Not done: {body['detail']}", ok=False)
        return Flash(body["said"], ok=True)

    def _do(self, request: Request) -> Response:
        return JSONResponse({"said": bind(self.act, self.parameters)(request)})


def fields_of(request: Request) -> Fields:
    """Return what a form says, without what every form carries."""
    fields: Fields = request.state.fields
    return fields


def field_of(request: Request, name: str) -> str:
    """Return the first value of a field; empty where the form has none."""
    return (fields_of(request).get(name) or [""])[0].strip()


def record(*events: Event) -> None:
    """Store what somebody said as events, as POST /events does, and wake the workers."""
    recorded = record_events(list(events))
    for event in events:
        EVENTS_ACCEPTED.add(1, event_type=event.event_type)
    notify(recorded.notifications)
