"""Events that Kinfold accepts: one model per event type, for the API and the CSV import."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from workers.core.vocabulary import (
    Action,
    Id,
    Verdict,
)
from workers.ingest.event_fields import (
    Band,
    Copies,
    Description,
    Label,
    Language,
    Line,
    LunchPeriod,
    PostText,
    PostVector,
    Rating,
    SixDecimals,
    Tags,
    Time,
    Title,
    WebAddress,
)


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
    display_name: Label | None = None


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
    description: Description | None = None
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
    reason: Literal["read_at_home", "too_hard", "not_interested"] | None = None
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
