"""Parameters of pages' own forms: a field that is left blank is one that is not given."""

from dataclasses import replace
from typing import Any, TypeVar

from routes.http.parameters import Parameter, query_limit

T = TypeVar("T")


def or_blank(parameter: Parameter[T]) -> Parameter[Any]:
    """Read a blank field as one that is not there."""
    return replace(parameter, parse=lambda text: parameter.parse(text or None))


def query_count(name: str, most: int) -> Parameter[int]:
    """Make a whole number from 1 on, which is 1 where it is not given and is cut to `most`."""
    return or_blank(replace(query_limit(most, 1), name=name))
