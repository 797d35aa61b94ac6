"""Tables of the library's pages as CSV files, for whoever may see the page."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routes.console.pages import answered_by_pages, behind_login
from routes.http.parameters import Parameter, bind
from workers.core.api_keys import Role

Rows = Iterable[Sequence[object]]
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class Download:
    """A CSV file: `read` makes its rows, the header first; `name` is what it is saved as."""

    path: str
    name: str
    read: Callable[..., Rows]
    parameters: tuple[Parameter[Any], ...] = ()
    role: Role = Role.teacher

    def route(self) -> Route:
        """Make the Starlette route, behind the same login as the pages."""
        return Route(self.path, answered_by_pages(self._answer), methods=["GET"])

    def _answer(self, request: Request) -> Response:
        read = bind(self.read, self.parameters)
        return behind_login(
            request, self.path, self.role, lambda _: csv_file(self.name, read(request))
        )


def csv_file(name: str, rows: Rows) -> Response:
    """Write rows as a CSV file in UTF-8, as spreadsheets read it without asking."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return Response(
        b"\xef\xbb\xbf" + text.getvalue().encode(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "no-store",
        },
    )


def _cell(value: object) -> object:
    """Keep what somebody wrote from being a formula.

    >>> _cell("=1+1"), _cell("Ada"), _cell(-1), _cell(None)
    ("'=1+1", 'Ada', -1, '')
    """
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
