"""Keys of the API and of its pages that are made while Kinfold runs, beside those of API_KEYS."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.operations import Form, Operation, json_body, reply
from routes.http.parameters import path_id
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.core.stored_keys import StoredKey, list_stored_keys, make_key, remove_key
from workers.ingest.event_fields import Label

MAX_HOMEROOMS = 100

Homeroom = Annotated[Label, Field(min_length=1)]


class KeyIn(BaseModel):
    """A key to be made; a teacher's names the homerooms whose children it sees."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    role: Annotated[Role, Field(strict=False)]
    homerooms: Annotated[list[Homeroom], Field(max_length=MAX_HOMEROOMS)] = []


class KeyOut(BaseModel):
    """A key as it is listed; of the key itself nothing is kept but a hash, which is not shown."""

    name: str
    role: Role
    homerooms: list[str]
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, row: StoredKey) -> "KeyOut":
        """Take the fields of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class KeysOut(BaseModel):
    """The keys that were made here; those of API_KEYS are not among them."""

    keys: list[KeyOut]


class MadeOut(BaseModel):
    """The new key, which is shown this once."""

    name: str
    key: str


class RemovedOut(BaseModel):
    """Whose key works no longer."""

    name: str


KEY_IN = TypeAdapter(KeyIn)
KEYS = TypeAdapter(KeysOut)
MADE = TypeAdapter(MadeOut)
REMOVED = TypeAdapter(RemovedOut)

NAME = path_id("name")


def get_keys() -> Response:
    """List the keys of the table."""
    return reply(KEYS, KeysOut(keys=[KeyOut.of(row) for row in list_stored_keys()]))


def post_keys(request: Request) -> Response:
    """Make a key and show it this once."""
    wanted = json_body(request, KEY_IN)
    try:
        key = make_key(wanted.name, wanted.role, wanted.homerooms, made_by=caller_of(request).name)
    except ValueError as error:
        raise Problem(422, str(error)) from None
    return reply(MADE, MadeOut(name=wanted.name, key=key), 201)


def delete_keys(name: str) -> Response:
    """Let a key work no longer."""
    remove_key(name)
    return reply(REMOVED, RemovedOut(name=name))


OPERATIONS = (
    Operation(
        method="GET",
        path="/keys",
        handler=get_keys,
        summary="The keys that were made here, without the keys themselves.",
        role=Role.admin,
        answers=KEYS,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/keys",
        handler=post_keys,
        summary="Make a key for a program, a librarian, or a teacher of some homerooms.",
        role=Role.admin,
        accepts={"application/json": KEY_IN},
        answers=MADE,
        status=201,
        problems=(409, 503),
        form=Form(done="The key of {name}, shown this once: {key}", lists=("homerooms",)),
        audited=True,
    ),
    Operation(
        method="DELETE",
        path="/keys/{name}",
        handler=delete_keys,
        parameters=(NAME,),
        summary="Let a key work no longer: within two seconds it is known to no process.",
        role=Role.admin,
        answers=REMOVED,
        problems=(404, 503),
        form=Form(done="The key of {name} works no longer."),
        audited=True,
    ),
)
