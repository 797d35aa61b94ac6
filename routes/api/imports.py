"""POST /import/{table}: CSV files."""

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.operations import Operation, reply
from routes.http.parameters import path_choice
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_rows import CsvError
from workers.ingest.csv_tables import Table


class Imported(BaseModel):
    """Rows by what became of them; `failed` rows have at least one of the errors each."""

    rows: int
    inserted: int
    updated: int
    unchanged: int
    failed: int
    errors: list[CsvError]


IMPORTED = TypeAdapter(Imported)

TABLE = path_choice("table", Table)


def post_import(request: Request, table: Table) -> Response:
    """Store the good rows, report the bad ones, notify the workers."""
    if not request.state.body.strip():
        raise Problem(400, "the body is empty")
    report = import_csv(table, request.state.body)
    notify(report.notifications)
    fields = {name: getattr(report, name) for name in Imported.model_fields}
    return reply(IMPORTED, Imported(**fields))


OPERATIONS = (
    Operation(
        method="POST",
        path="/import/{table}",
        handler=post_import,
        parameters=(TABLE,),
        summary="Import a CSV file into catalog, students or checkouts; twice changes nothing.",
        role=Role.write,
        accepts={"text/csv": None},
        answers=IMPORTED,
        problems=(503,),
    ),
)
