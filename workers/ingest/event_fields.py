"""The fields of events: what is let in, and what is said of what is not."""

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StringConstraints,
)

from workers.core.vocabulary import (
    MAX_COMPONENT,
    MIN_MAGNITUDE,
    POST_DIMENSIONS,
)

# How far the clock of whoever sends an event may be ahead of ours.
CLOCK_SKEW = timedelta(days=1)
# Python knows no years before 1, which this is in any time zone.
EARLIEST = datetime(2, 1, 1, tzinfo=UTC)


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("the NUL character is not allowed")
    return text


def _number_as_text(value: object) -> object:
    """Take a lunch period as a label: "2" and 2 are the same one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _six_decimals(value: float) -> float:
    """More than anyone measures, and a number that the tables' single precision can hold."""
    return round(value, 6)


def _null_as_empty(value: object) -> object:
    """Null clears a list, as it clears any other field."""
    return [] if value is None else value


def _band_name(value: object) -> object:
    """Read "Late Elementary" and "late-elementary" as the band late_elementary."""
    return (
        value.strip().lower().replace(" ", "_").replace("-", "_")
        if isinstance(value, str)
        else value
    )


def _language_tag(value: object) -> object:
    """Read "EN" and "pt_BR" as the languages en and pt-br."""
    return value.lower().replace("_", "-") if isinstance(value, str) else value


def _post_vector(vector: list[float]) -> list[float]:
    """Take only what can be compared by cosine, within the bounds of a provider's vectors."""
    if len(vector) != POST_DIMENSIONS:
        raise ValueError(f"an embedding has {POST_DIMENSIONS} numbers, not {len(vector)}")
    if not all(-MAX_COMPONENT <= number <= MAX_COMPONENT for number in vector):
        raise ValueError("an embedding's numbers are finite and within [-2, 2]")
    if math.hypot(*vector) < MIN_MAGNITUDE:
        raise ValueError("an embedding's magnitude is at least 0.1")
    return vector


def _within_history(time: datetime) -> datetime:
    if time < EARLIEST:
        raise ValueError("lies before the year 2")
    if time > datetime.now(UTC) + CLOCK_SKEW:
        raise ValueError("lies more than a day in the future")
    return time


# For the OpenAPI document only: the validators beside them say in words what is wrong.
NO_NUL_PATTERN = Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
TITLE_PATTERN = Field(json_schema_extra={"pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$"})

Label = Annotated[str, StringConstraints(max_length=200), AfterValidator(_no_nul), NO_NUL_PATTERN]
Line = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_no_nul), NO_NUL_PATTERN]
Description = Annotated[
    str, StringConstraints(max_length=10_000), AfterValidator(_no_nul), NO_NUL_PATTERN
]
# Stripped before its length is checked, which takes constraints that stand together.
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, strip_whitespace=True),
    AfterValidator(_no_nul),
    TITLE_PATTERN,
]
Tag = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(_no_nul),
    NO_NUL_PATTERN,
]
LunchPeriod = Annotated[Label, BeforeValidator(_number_as_text, json_schema_input_type=Label | int)]
TagList = Annotated[list[Tag], Field(max_length=100)]
Tags = Annotated[TagList, BeforeValidator(_null_as_empty, json_schema_input_type=TagList | None)]
Band = Annotated[
    Literal["beginner", "early_elementary", "late_elementary", "middle_school", "high_school"],
    BeforeValidator(_band_name),
]
WrittenLanguage = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"),
]
Language = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$"),
    BeforeValidator(_language_tag, json_schema_input_type=WrittenLanguage),
]
# A host without a user before it, and nothing that could end an attribute of a page.
WebAddress = Annotated[
    str,
    StringConstraints(
        max_length=2000,
        pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?([/?#][^\x00-\x20\x7f<>\"']*)?$",
    ),
]
Copies = Annotated[int, Field(ge=0, le=100_000)]
Rating = Annotated[int, Field(ge=1, le=5)]
Time = Annotated[AwareDatetime, AfterValidator(_within_history)]
# NaN and infinity are refused with the rest, once and not 384 times.
PostVector = Annotated[
    list[Annotated[float, Field(allow_inf_nan=True)]],
    AfterValidator(_post_vector),
    Field(
        json_schema_extra={
            "minItems": POST_DIMENSIONS,
            "maxItems": POST_DIMENSIONS,
            "items": {
                "type": "number",
                "minimum": -MAX_COMPONENT,
                "maximum": MAX_COMPONENT,
            },
        }
    ),
]
PostText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True),
    AfterValidator(_no_nul),
    TITLE_PATTERN,
]
# Bounds stand before it: after a validator they are checked but not in the document.
SixDecimals = AfterValidator(_six_decimals)
