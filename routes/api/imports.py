"""POST /import/{table}: CSV files."""

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.operations import Operation, reply
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.ingest.csv_import import CsvError, Table, import_csv


class Imported(BaseModel):
    """Rows by what became of them; `failed` rows have at least one of the errors each."""

    rows: int
    inserted: int
    updated: int
    unchanged: int
    failed: int
    errors: list[CsvError]


IMPORTED = TypeAdapter(Imported)


def post_import(request: Request) -> Response:
    """Store the good rows, report the bad ones, notify the workers."""
    table = request.path_params["table"]
    if table not in list(Table):
        raise Problem(404, f"no such table; there are {', '.join(Table)}", reason="unknown_table")
    if not request.state.body.strip():
        raise Problem(400, "the body is empty")
    report = import_csv(Table(table), request.state.body)
    notify(report.notifications)
    fields = {name: getattr(report, name) for name in Imported.model_fields}
    return reply(IMPORTED, Imported(**fields))


OPERATIONS = (
    Operation(
        "POST",
        "/import/{table}",
        post_import,
        "Import a CSV file into catalog, students or checkouts; twice changes nothing.",
        Role.write,
        IMPORTED,
        accepts={"text/csv": None},
        problems=(400, 404, 413, 422, 503),
    ),
)
