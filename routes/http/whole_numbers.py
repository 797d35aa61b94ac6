"""Whole numbers in JSON, which does not tell 5.0 from 5; other languages' clients send either."""

from pydantic import BeforeValidator


def _as_whole(value: object) -> object:
    """Read a number without a fraction as a whole one; what is anything else is refused later.

    >>> _as_whole(5.0), _as_whole(5.5), _as_whole("5"), _as_whole(True)
    (5, 5.5, '5', True)
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Beside the bounds: Annotated[int, Field(strict=True, ge=1), AS_WHOLE].
AS_WHOLE = BeforeValidator(_as_whole)
