"""Events that Kinfold accepts: one model per event type, for the API and the CSV import."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from workers.core.vocabulary import (
    MAX_COMPONENT,
    MIN_MAGNITUDE,
    POST_DIMENSIONS,
    Action,
    Id,
    Verdict,
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
    return value.strip().lower().replace("_", "-") if isinstance(value, str) else value


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
Language = Annotated[
    str,
    StringConstraints(max_length=35, pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$"),
    BeforeValidator(_language_tag),
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


class EventBase(BaseModel):
    """Fields of every event. Strict: a level of "high", a NaN or a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    event_id: UUID | None = None

    def facts(self, *identity: str) -> dict[str, object]:
        """Return the fields that the event gives, without its own id and type and the named ones.

        A field that is not given leaves the stored one as it is; null clears it.
        """
        return self.model_dump(
            mode="json", exclude={"event_id", "event_type", *identity}, exclude_unset=True
        )


class StudentChanged(EventBase):
    """A student is new or differs."""

    event_type: Literal["student_added", "student_updated"]
    student_id: Id
    grade_level: Annotated[int, Field(ge=-1, le=13)] | None = None
    age: Annotated[int, Field(ge=2, le=120)] | None = None
    homeroom_teacher: Label | None = None
    prior_year_reading_score: Annotated[float, Field(ge=0, le=1000), SixDecimals] | None = None
    lunch_period: LunchPeriod | None = None


class StudentDeleted(EventBase):
    """A student is gone, and with them everything kept or derived about them."""

    event_type: Literal["student_deleted"]
    student_id: Id


class BookChanged(EventBase):
    """A book is new or differs."""

    event_type: Literal["book_added", "book_updated"]
    book_id: Id
    title: Title
    author: Line | None = None
    isbn: Label | None = None
    genre: Tags = []
    keywords: Tags = []
    description: (
        Annotated[
            str, StringConstraints(max_length=10_000), AfterValidator(_no_nul), NO_NUL_PATTERN
        ]
        | None
    ) = None
    page_count: Annotated[int, Field(ge=0, le=100_000)] | None = None
    publication_year: Annotated[int, Field(ge=-3000, le=3000)] | None = None
    difficulty_band: Band | None = None
    reading_level: Annotated[float, Field(ge=0, le=20), SixDecimals] | None = None
    average_rating: Annotated[float, Field(ge=0, le=5), SixDecimals] | None = None
    language: Language | None = None
    series: Line | None = None
    series_number: Annotated[float, Field(ge=0, le=10_000), SixDecimals] | None = None
    copies_total: Copies | None = None
    copies_available: Copies | None = None
    cover_url: WebAddress | None = None

    @field_validator("copies_available")
    @classmethod
    def _no_more_than_there_are(cls, value: int | None, info: ValidationInfo) -> int | None:
        total = info.data.get("copies_total")
        if value is not None and total is not None and value > total:
            raise ValueError("no more copies can be available than there are")
        return value


class BookDeleted(EventBase):
    """A book is gone, and its loans with it."""

    event_type: Literal["book_deleted"]
    book_id: Id


class _CheckoutEvent(EventBase):
    student_id: Id
    book_id: Id
    checkout_date: date
    student_rating: Rating | None = None


class CheckoutAdded(_CheckoutEvent):
    """A student borrowed a book."""

    event_type: Literal["checkout_added"]
    return_date: date | None = None
    checkout_id: Id | None = None

    @field_validator("return_date")
    @classmethod
    def _after_checkout(cls, value: date | None, info: ValidationInfo) -> date | None:
        return _not_before_checkout(value, info)


class CheckoutReturned(_CheckoutEvent):
    """A borrowed book came back; the loan need not be known yet."""

    event_type: Literal["checkout_returned"]
    return_date: date

    @field_validator("return_date")
    @classmethod
    def _after_checkout(cls, value: date, info: ValidationInfo) -> date | None:
        return _not_before_checkout(value, info)


def _not_before_checkout(value: date | None, info: ValidationInfo) -> date | None:
    checkout_date = info.data.get("checkout_date")
    if value is not None and checkout_date is not None and value < checkout_date:
        raise ValueError("a book cannot be returned before it was borrowed")
    return value


class BookFeedback(EventBase):
    """A student said or did something about a book that was recommended, now or at `created_at`.

    Codes only: nothing that a child writes is stored.
    """

    event_type: Literal["book_feedback"]
    student_id: Id
    book_id: Id
    verdict: Verdict
    recommendation_id: UUID | None = None
    created_at: Time | None = None


class StaffPickAdded(EventBase):
    """The staff recommends a book, to these grades or to all, until a day or until removed."""

    event_type: Literal["staff_pick_added"]
    book_id: Id
    grades: Annotated[list[Annotated[int, Field(ge=-1, le=13)]], Field(max_length=15)] | None = None
    until: date | None = None
    note: Line | None = None


class StaffPickRemoved(EventBase):
    """The staff recommends a book no longer."""

    event_type: Literal["staff_pick_removed"]
    book_id: Id


class PostChanged(EventBase):
    """A post is new or differs. Its vector is the given one, or made from its text."""

    event_type: Literal["post_added", "post_updated"]
    post_id: Id
    text: PostText | None = None
    embedding: PostVector | None = None
    created_at: Time | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.text is None and self.embedding is None:
            raise ValueError("a post has a text, an embedding, or both")
        return self

    def facts(self, *identity: str) -> dict[str, object]:
        """Let a text without an embedding take the place of one that was given before."""
        return {"embedding": None} | super().facts(*identity)


class PostDeleted(EventBase):
    """A post is gone, and what users did with it."""

    event_type: Literal["post_deleted"]
    post_id: Id


class UserAction(EventBase):
    """A user did something with a post, now or at `created_at`; neither need be known yet."""

    event_type: Literal["user_action"]
    user_id: Id
    post_id: Id
    action: Action
    created_at: Time | None = None


class UserDeleted(EventBase):
    """A user is gone, and with them everything kept or derived about them."""

    event_type: Literal["user_deleted"]
    user_id: Id


Event = Annotated[
    StudentChanged
    | StudentDeleted
    | BookChanged
    | BookDeleted
    | CheckoutAdded
    | CheckoutReturned
    | BookFeedback
    | StaffPickAdded
    | StaffPickRemoved
    | PostChanged
    | PostDeleted
    | UserAction
    | UserDeleted,
    Field(discriminator="event_type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
