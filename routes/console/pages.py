"""Pages: who may see them, how they are rendered, and what they say when something is wrong."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from routes.console.sessions import FLASH, Session, read_session, start_session, take_flash
from routes.http.access import admit
from routes.http.children import check_child
from routes.http.content_policy import policy_with
from routes.http.parameters import Parameter, bind
from routes.http.problems import answer_to
from workers.core.api_keys import Role
from workers.core.settings import settings

# Where there is nothing to say.
NOTHING = "\N{EN DASH}"

# Where the paths of the library's pages begin.
LIBRARY = "/library"

TEMPLATES = Path(__file__).parents[2] / "templates"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of the console or the library.

    `read` makes of the page's parameters what its template shows; of a path that names a student
    a teacher is shown the children of their homerooms only. `menu` is what the library's menu
    calls the page, None for one that it does not lead to. `role` is the lowest that may see it.
    """

    path: str
    template: str
    title: str
    read: Callable[..., Mapping[str, Any]]
    shows: str
    parameters: tuple[Parameter[Any], ...] = ()
    role: Role = Role.read
    menu: str | None = None

    def route(self) -> Route:
        """Make the Starlette route: login first, then the role, then the page."""
        read = bind(self.read, self.parameters)
        page = answered_by_pages(lambda request: respond(request, self, read))
        return Route(self.path, page, methods=["GET"])


def answered_by_pages(handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Make a handler that answers errors as the API does, but by a page."""

    def answer(request: Request) -> Response:
        try:
            return handle(request)
        except Exception as error:  # noqa: BLE001  # the handlers of the API decide what each means
            return error_page(request, error)

    return answer


def front_of(role: Role) -> str:
    """Name the page that somebody opens first: the console's, or the library's."""
    return "/library" if role in (Role.librarian, Role.teacher) else "/"


def frame_of(request: Request) -> str:
    """Name the template around a page: people of the library never see the console's."""
    session = getattr(request.state, "session", None)
    teacher = session is not None and session.caller.role is Role.teacher
    of_library = teacher or request.url.path.startswith(LIBRARY)
    return "library/base.html" if of_library else "base.html"


def respond(request: Request, page: Page, read: Callable[[Request], Mapping[str, Any]]) -> Response:
    """Answer with the page, or send to the login."""

    def rendered(session: Session) -> Response:
        shown = {"title": page.title, **read(request)}
        return render(request, session, page.template, **shown)

    return behind_login(request, page.path, page.role, rendered)


def behind_login(
    request: Request, path: str, role: Role, make: Callable[[Session], Response]
) -> Response:
    """Answer whoever is logged in, has the role, and may see the child that the path names."""
    session = read_session(request)
    if session is None and settings().api_keys:
        return RedirectResponse(f"/login?next={quote(local_url(request), safe='')}", 303)
    started = HTMLResponse() if session is None else None
    session = session or start_session(started or Response(), None)
    request.state.session = session
    if path == "/" and session.caller.role is Role.teacher:
        return RedirectResponse(front_of(Role.teacher), 303)
    admit(request, session.caller, role)
    if "{student_id}" in path:
        check_child(request)
    response = make(session)
    if started is not None:
        response.raw_headers += [h for h in started.raw_headers if h[0] == b"set-cookie"]
    return response


def render(
    request: Request, session: Session | None, template: str, status: int = 200, **shown: Any
) -> Response:
    """Render a template as a response."""
    flash = take_flash(request) if session else None
    policy = policy_with(shown["covers"]) if "covers" in shown else {}
    response = HTMLResponse(
        ENVIRONMENT.get_template(template).render(
            path=request.url.path,
            here=local_url(request),
            session=session,
            flash=flash,
            keyless=not settings().api_keys,
            **shown,
        ),
        status,
        {"Cache-Control": "no-store", **policy},
    )
    if flash:
        response.delete_cookie(FLASH)
    return response


def error_page(request: Request, error: Exception) -> Response:
    """Answer an error as the API does, by a page that reads nothing: a store may be down."""
    problem = json.loads(bytes(answer_to(request, error).body))
    return HTMLResponse(
        ENVIRONMENT.get_template("error.html").render(
            path=request.url.path,
            frame=frame_of(request),
            here="/",
            session=getattr(request.state, "session", None),
            flash=None,
            keyless=not settings().api_keys,
            title=problem["title"],
            problem=problem,
        ),
        problem["status"],
        {"Cache-Control": "no-store"},
    )


def local_url(request: Request) -> str:
    """Return path and query of the request."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def number(value: float | None) -> str:
    """Write a count with thousands apart, or a measured value with as many digits as it deserves.

    >>> number(1234567), number(3.14159), number(250.5)
    ('1,234,567', '3.14', '250')
    """
    if value is None:
        return NOTHING
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Write a span of time in its largest unit.

    >>> duration(0.012), duration(3.21), duration(75), duration(7300), duration(200_000)
    ('12 ms', '3.2 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0", "")
    whole = int(seconds)
    for unit, size, smaller, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def moment(when: datetime | str | None) -> Markup:
    """Write a time as people say it, with the exact one on hover."""
    if when is None:
        return Markup(NOTHING)  # noqa: S704  # a constant
    at = (datetime.fromisoformat(when) if isinstance(when, str) else when).astimezone(UTC)
    passed = (datetime.now(UTC) - at).total_seconds()
    said = duration(max(round(abs(passed)), 0)) if abs(passed) >= 1 else ""
    text = "now" if not said else f"{said} ago" if passed > 0 else f"in {said}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S} UTC", text
    )


def segment(text: str) -> str:
    """Quote a text as one part of a path."""
    return quote(text, safe="")


ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {
    "number": number,
    "duration": duration,
    "moment": moment,
    "segment": segment,
}
ENVIRONMENT.globals |= {"Role": Role}
