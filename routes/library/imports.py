"""The page of imports: a file is looked at, errors stand beside the cells, then it is applied."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from actors.runs import send_run
from routes.console.pages import Page, answered_by_pages
from routes.console.sessions import Flash, check_token, leave_flash, read_session
from routes.http.access import admit, refuse_other_sites
from routes.http.form_data import FormData, read_form_data
from routes.http.middleware import BODY_MAX_BYTES
from routes.http.parameters import path_uuid
from routes.http.problems import Problem
from routes.library.acts import Act
from workers.core.api_keys import Role
from workers.core.errors import CsvFormatError
from workers.ingest.csv_tables import COLUMNS, OPTIONAL_COLUMNS, Table
from workers.ingest.imports import (
    begin_import,
    delete_import,
    list_imports,
    look_at_file,
    read_import,
)
from workers.jobs.runs import RunKind, read_run

PATH = "/library/import"
MAX_PARTS = 10
MAX_NAME = 200
# What a file holds, in the words of a library.
PROFILES = {Table.catalog: "Books", Table.students: "Students", Table.checkouts: "Loans"}
IMPORT_ID = path_uuid("import_id")
ENDED = ("done", "failed", "cancelled")


class Step(StrEnum):
    """Where a file stands, for its page."""

    checked = "checked"
    running = "running"
    stopped = "stopped"
    done = "done"


def imports() -> Mapping[str, Any]:
    """Show the form, what each kind of file holds, and the files of the last day."""
    return {
        "profiles": PROFILES,
        "columns": {
            table: [(name, name in OPTIONAL_COLUMNS) for name in columns]
            for table, columns in COLUMNS.items()
        },
        "most_megabytes": BODY_MAX_BYTES // 1024 // 1024,
        "files": list_imports(),
    }


def import_file(import_id: UUID) -> Mapping[str, Any]:
    """Show where a file stands."""
    found = read_import(import_id)
    run = None if found.run_id is None else read_run(found.run_id)
    if found.report is not None:
        step = Step.done
    elif run is None:
        step = Step.checked
    else:
        step = Step.stopped if run.state in ENDED else Step.running
    return {
        "title": found.file_name,
        "file": found,
        "holds": PROFILES[found.holds],
        "checked": found.checked,
        "report": found.report,
        "run": run,
        "step": step,
    }


def upload(request: Request) -> Response:
    """Look at a file, and send to the page that says what is wrong with it."""
    refuse_other_sites(request)
    session = read_session(request)
    if session is None:
        return RedirectResponse("/login", 303)
    request.state.session = session
    form = read_form_data(request, most_parts=MAX_PARTS)
    check_token(session, form.text("token"))
    admit(request, session.caller, Role.librarian)
    try:
        import_id, name = _look(form)
    except (Problem, CsvFormatError) as error:
        response = RedirectResponse(PATH, 303)
        leave_flash(response, Flash(f"Not read: {error}", ok=False))
        return response
    response = RedirectResponse(f"{PATH}/{import_id}", 303)
    leave_flash(response, Flash(f"{name} was looked at. Nothing of it is stored yet.", ok=True))
    return response


def _look(form: FormData) -> tuple[UUID, str]:
    try:
        table = Table(form.text("holds"))
    except ValueError:
        raise Problem(422, "choose what the file holds") from None
    data = form.file("file")
    if not data.strip():
        raise Problem(422, "choose a file that is not empty")
    name = _plain_name(form.name_of("file"))
    import_id, _ = look_at_file(table, name, data)
    return import_id, name


def _plain_name(given: str) -> str:
    """Reduce a file's name to what may be shown and stored.

    >>> _plain_name("C:\\\\lists\\\\loans\\x07.csv"), _plain_name("")
    ('loans .csv', 'file')
    """
    name = PurePath(given.replace("\\", "/")).name
    kept = "".join(sign if sign.isprintable() else " " for sign in name)
    return kept[:MAX_NAME].strip() or "file"


def apply(import_id: UUID) -> str:
    """Begin to import a file."""
    send_run(begin_import(import_id), RunKind.import_file)
    return "The import has begun."


def discard(import_id: UUID) -> str:
    """Throw a file away that is not to be imported."""
    delete_import(import_id)
    return "The file is deleted."


PAGE = Page(
    path=PATH,
    template="library/imports.html",
    title="Import",
    read=imports,
    shows="Files of books, students and loans: looked at first, then imported.",
    role=Role.librarian,
    menu="Import",
)
FILE = Page(
    path=f"{PATH}/{{import_id}}",
    template="library/import_file.html",
    title="Import",
    read=import_file,
    parameters=(IMPORT_ID,),
    shows="A file: errors beside its cells, how far its import is, what became of its rows.",
    role=Role.librarian,
)
ACTS = (
    Act(
        path="/import/{import_id}/apply",
        act=apply,
        parameters=(IMPORT_ID,),
        role=Role.librarian,
        audited=True,
    ),
    Act(
        path="/import/{import_id}/discard",
        act=discard,
        parameters=(IMPORT_ID,),
        role=Role.librarian,
        audited=True,
    ),
)
ROUTES = [Route(PATH, answered_by_pages(upload), methods=["POST"])]
