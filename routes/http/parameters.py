"""Parameters of an endpoint: each is made once, at import, and both read and described from there.

A maker per type, named by where the parameter stands: `path_id`, `path_uuid`, `path_choice`,
`path_name`, `query_limit`, `query_choice`, `query_text`, `query_cursor`. An operation lists its
parameters, and its handler gets their values by name (`bind`).

    STUDENT_ID = path_id("student_id")
    LIMIT = query_limit(most=200, default=50)
"""

import base64
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import unquote
from uuid import UUID

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from starlette.requests import Request

from routes.http.problems import Problem, invalid
from workers.core.vocabulary import Id

T = TypeVar("T")
Value_co = TypeVar("Value_co", covariant=True)
Choice = TypeVar("Choice", bound=StrEnum)

# Text in a query. Postgres holds no zero bytes.
QueryText = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
NeededText = Annotated[QueryText, StringConstraints(min_length=1)]

Level = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]

LEVEL: TypeAdapter[float] = TypeAdapter(Level)
ID: TypeAdapter[str] = TypeAdapter(Id)
QUERY_TEXT: TypeAdapter[str] = TypeAdapter(QueryText)
# The largest number in a cursor, with room for a page beyond it in what Redis and Postgres take
# for a number. A larger one is refused by the store, which looks like a defect of ours.
MAX_PLACE = 2**62
# Digits of a limit that are read: enough for every list, and few enough for int() to be quick.
MAX_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Parameter(Generic[Value_co]):
    """One parameter of an endpoint.

    `parse` makes its value of the text in the request, None where it is not given, and raises a
    Problem with the status `refusal` if the text does not fit. `schema` is the JSON Schema of the
    text.
    """

    name: str
    place: Literal["path", "query"]
    schema: Mapping[str, Any]
    parse: Callable[[str | None], Value_co]
    description: str = ""
    needed: bool = False
    refusal: int = HTTPStatus.UNPROCESSABLE_ENTITY


def bind(
    function: Callable[..., T], parameters: Sequence[Parameter[Any]]
) -> Callable[[Request], T]:
    """Make a function of a request of a function that takes parameters by their names.

    The function may take the request, too, as its first argument `request`.

    Raises:
        ValueError: the function takes other arguments.
    """
    takes, given = list(inspect.signature(function).parameters), [each.name for each in parameters]

    # Looked up here once, and not with every request.
    in_path = [(each.name, each.parse) for each in parameters if each.place == "path"]
    in_query = [(each.name, each.parse) for each in parameters if each.place == "query"]

    def values(request: Request) -> dict[str, Any]:
        path = request.path_params
        found = {name: parse(path.get(name)) for name, parse in in_path}
        if in_query:
            query = request.query_params
            for name, parse in in_query:
                found[name] = parse(query.get(name))
        return found

    if takes == given:
        return lambda request: function(**values(request))
    if takes == ["request", *given]:
        return lambda request: function(request, **values(request))
    raise ValueError(f"{function.__name__} takes {takes}, and would be given {given}")


def path_id(name: str) -> Parameter[str]:
    """Make a parameter that is the id of something, URL-encoded in the path; else 422."""

    def parse(text: str | None) -> str:
        try:
            return ID.validate_python(unquote(text or "", errors="strict"))
        except UnicodeDecodeError:
            raise refuse(name, "not UTF-8") from None
        except ValidationError as error:
            raise invalid(error, name) from None

    return Parameter(name=name, place="path", schema=ID.json_schema(), parse=parse, needed=True)


def path_uuid(name: str) -> Parameter[UUID]:
    """Make a parameter that is a UUID in the path; else 422."""

    def parse(text: str | None) -> UUID:
        try:
            return UUID(text or "")
        except ValueError:
            raise refuse(name, "not a UUID") from None

    return Parameter(name=name, place="path", schema=_schema(UUID), parse=parse, needed=True)


def path_number(name: str, reason: str) -> Parameter[int]:
    """Make a parameter that is a whole number from 0 on in the path; else 404 with the reason."""

    def parse(text: str | None) -> int:
        digits = text or ""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise Problem(HTTPStatus.NOT_FOUND, f"{reason}: {digits}", reason=reason)
        return int(digits)

    return Parameter(
        name=name,
        place="path",
        schema=_schema(NonNegativeInt),
        parse=parse,
        needed=True,
        refusal=HTTPStatus.NOT_FOUND,
    )


def path_choice(name: str, choices: type[Choice]) -> Parameter[Choice]:
    """Make a parameter that is a value of an enumeration in the path; else 404."""

    def parse(text: str | None) -> Choice:
        try:
            return choices(unquote(text or ""))
        except ValueError:
            detail = f"unknown_{name}: must be one of {', '.join(choices)}"
            raise Problem(HTTPStatus.NOT_FOUND, detail, reason=f"unknown_{name}") from None

    return Parameter(
        name=name,
        place="path",
        schema=_schema(choices),
        parse=parse,
        needed=True,
        refusal=HTTPStatus.NOT_FOUND,
    )


def path_name(name: str) -> Parameter[str]:
    """Make a parameter that is a name in the path; one that nothing has is its handler's 404."""

    def parse(text: str | None) -> str:
        return unquote(text or "").replace("\0", "")

    return Parameter(
        name=name,
        place="path",
        schema=ID.json_schema(),
        parse=parse,
        needed=True,
        refusal=HTTPStatus.NOT_FOUND,
    )


def query_limit(most: int, default: int) -> Parameter[int]:
    """Make `limit`, a whole number from 1 on, cut to `most`; else 422."""
    return _limit(f"at most this many, up to {most}", lambda number: min(number or default, most))


def query_optional_limit(description: str) -> Parameter[int | None]:
    """Make `limit` for a list whose most is a setting; None where it is not given."""
    return _limit(description, lambda number: number)


def _limit(description: str, choose: Callable[[int | None], Value_co]) -> Parameter[Value_co]:
    def parse(text: str | None) -> Value_co:
        if text is None:
            return choose(None)
        digits = text.lstrip("0")
        if not (text.isascii() and text.isdigit() and digits):
            raise refuse("limit", "must be a whole number from 1 on")
        return choose(int(digits[:MAX_DIGITS]))

    return Parameter(
        name="limit",
        place="query",
        schema=_schema(PositiveInt),
        parse=parse,
        description=description,
    )


def query_choice(
    name: str, choices: type[Choice], description: str, *, needed: bool = False
) -> Parameter[Choice | None]:
    """Make a parameter that is a value of an enumeration in the query; else 422."""

    def parse(text: str | None) -> Choice | None:
        if text is None and needed:
            raise refuse(name, "is needed")
        try:
            return None if text is None else choices(text)
        except ValueError:
            raise refuse(name, f"must be one of {', '.join(choices)}") from None

    return Parameter(
        name=name,
        place="query",
        schema=_schema(choices),
        parse=parse,
        description=description,
        needed=needed,
    )


def query_text(name: str, description: str, *, needed: bool = False) -> Parameter[str | None]:
    """Make a parameter that is text in the query; 422 above 200 characters or with a zero byte.

    Empty text is the same as none.
    """

    def parse(text: str | None) -> str | None:
        if not text and needed:
            raise refuse(name, "is needed")
        try:
            return QUERY_TEXT.validate_python(text or "") or None
        except ValidationError as error:
            raise invalid(error, name) from None

    return Parameter(
        name=name,
        place="query",
        schema=_schema(NeededText if needed else QueryText),
        parse=parse,
        description=description,
        needed=needed,
    )


def query_level(name: str, description: str) -> Parameter[float | None]:
    """Make a reading level in the query, in grades from 0 to 20; else 422."""

    def parse(text: str | None) -> float | None:
        try:
            # As levels are stored: a single-precision column cannot be compared with 1e-200.
            return None if text is None else round(LEVEL.validate_python(text), 6)
        except ValidationError as error:
            raise invalid(error, name) from None

    return Parameter(
        name=name, place="query", schema=_schema(Level), parse=parse, description=description
    )


def query_flag(name: str, description: str) -> Parameter[bool | None]:
    """Make a parameter that is `true` or `false` in the query; else 422."""

    def parse(text: str | None) -> bool | None:
        if text not in (None, "true", "false"):
            raise refuse(name, "must be true or false")
        return None if text is None else text == "true"

    return Parameter(
        name=name, place="query", schema=_schema(bool), parse=parse, description=description
    )


def query_cursor(*types: Callable[[str], Any]) -> Parameter[tuple[Any, ...]]:
    """Make `cursor`: the parts that `encode_cursor` was given, each None where it is not given.

    Args:
        types: make the parts of their texts; a ValueError of theirs is a 422.
    """

    def parse(text: str | None) -> tuple[Any, ...]:
        if not text:
            return (None,) * len(types)
        try:
            parts = json.loads(base64.urlsafe_b64decode(text))
            return tuple(_part(make, part) for make, part in zip(types, parts, strict=True))
        except (ValueError, TypeError):
            raise refuse("cursor", "not a cursor of this list") from None

    return Parameter(
        name="cursor",
        place="query",
        schema=_schema(str),
        parse=parse,
        description="next_cursor of a page",
    )


def encode_cursor(*parts: object) -> str:
    """Make a `next_cursor`, opaque to callers, that `query_cursor` reads.

    >>> query_cursor(int).parse(encode_cursor(7))
    (7,)
    """
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in parts]).encode()).decode()


def refuse(name: str, message: str) -> Problem:
    """Make the 422 for one value of a request."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "1 invalid value", [{"loc": [name], "msg": message}]
    )


def _part(make: Callable[[str], Any], part: object) -> object:
    """Make a part of a cursor, if a store can be asked for it."""
    if not isinstance(part, str) or "\0" in part:
        raise ValueError("not a part of a cursor")
    part.encode()
    made = make(part)
    if isinstance(made, int) and not 0 <= made < MAX_PLACE:
        raise ValueError("out of range")
    return made


def _schema(kind: Any) -> Mapping[str, Any]:
    return TypeAdapter(kind).json_schema()
