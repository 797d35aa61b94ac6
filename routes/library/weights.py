"""The page of the weights: what each term counts, what a change would do, versions, a way back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request

from routes.console.pages import Page
from routes.http.access import caller_of
from routes.http.parameters import Parameter, path_number, query_level, query_text, refuse
from routes.http.problems import Problem
from routes.http.scoring import scoring_of
from routes.library.acts import Act, field_of
from routes.library.drawings import PARTS
from workers.books.compare_weights import compare_weights
from workers.books.score import TERMS, TermWeights
from workers.books.term_weights import (
    WeightsVersion,
    change_weights,
    list_weights,
    restore_weights,
)
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.library.recent_readers import Reader, list_recent_readers, read_readers

MOST = 10.0
# How far a slider goes, unless what is in force is beyond.
USUAL_MOST = 1.0
SHOWN_BOOKS = 5
SHOWN_READERS = 3
SHOWN_VERSIONS = 12
# What each term looks at, beneath its name.
MEANS = {
    "readers": "What readers borrowed who share books with the child.",
    "content": "How close a book's subject is to what the child liked.",
    "neighbors": "What the children borrow whose whole reading is alike.",
    "trending": "What the grade borrows these weeks.",
    "level": "How near a book is to where the child's level will be in a month.",
    "rating": "How readers rated it.",
    "staff_pick": "Whether the staff picked it for the grade.",
    "series": "Whether it follows the last volume that the child read.",
}

Weight = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
WEIGHT: TypeAdapter[float] = TypeAdapter(Weight)
CHILDREN = ("first", "second", "third")


def query_weight(name: str) -> Parameter[Any]:
    """Make a weight from 0 to 10 in the query; None where it is blank or not given; else 422."""

    def parse(text: str | None) -> float | None:
        if not text:
            return None
        try:
            return round(WEIGHT.validate_python(text), 4)
        except ValidationError:
            raise refuse(name, f"must be a number from 0 to {MOST:g}") from None

    of_level = query_level(name, f"how much it counts: {PARTS[name]}")
    return replace(of_level, schema=WEIGHT.json_schema(), parse=parse)


WEIGHTS = tuple(query_weight(name) for name in TERMS)


@dataclass(frozen=True)
class Slider:
    """A term with what it weighs in force and in the preview; `share` of the preview's sum."""

    name: str
    label: str
    means: str
    now: float
    then: float
    most: float
    share: float


@dataclass(frozen=True)
class Changed:
    """A version of the weights, and how each term differs from the version before."""

    version: WeightsVersion
    changes: Sequence[tuple[str, float, float]]


def weights(
    request: Request, first: str | None, second: str | None, third: str | None
) -> Mapping[str, Any]:
    """Show the weights, what others would do to the lists of three children, and the versions."""
    versions = list_weights()
    now = TermWeights(**versions[0].weights)
    given = {each.name: each.parse(request.query_params.get(each.name)) for each in WEIGHTS}
    then = replace(now, **{name: value for name, value in given.items() if value is not None})
    recent = list_recent_readers()
    readers = _chosen(recent, [first, second, third])
    compared = compare_weights(
        scoring_of(request), [reader.student_id for reader in readers], then, SHOWN_BOOKS
    )
    known = {reader.student_id: reader for reader in (*recent, *readers)}
    return {
        "sliders": _sliders(now, then),
        "changed": then != now,
        "nothing_counts": not any(asdict(then).values()),
        "preview": asdict(then),
        "in_force": versions[0].version,
        "compared": list(zip(CHILDREN, readers, compared, strict=False)),
        "choices": sorted(known.values(), key=lambda reader: reader.name.lower()),
        "versions": _changes(versions)[:SHOWN_VERSIONS],
        "more_versions": max(len(versions) - SHOWN_VERSIONS, 0),
    }


def _chosen(recent: Sequence[Reader], asked: Sequence[str | None]) -> list[Reader]:
    """Take the children that were asked for, and recent readers in the other places."""
    named = {reader.student_id: reader for reader in read_readers([each for each in asked if each])}
    others = iter(reader for reader in recent if reader.student_id not in named)
    found = [named[each] if each else next(others, None) for each in asked]
    return list(dict.fromkeys(reader for reader in found if reader is not None))


def _sliders(now: TermWeights, then: TermWeights) -> list[Slider]:
    before, after = asdict(now), asdict(then)
    whole = sum(after.values()) or 1.0
    most = max([USUAL_MOST, *before.values(), *after.values()])
    return [
        Slider(
            name,
            PARTS[name][0].upper() + PARTS[name][1:],
            MEANS[name],
            before[name],
            after[name],
            most,
            after[name] / whole,
        )
        for name in TERMS
    ]


def _changes(versions: Sequence[WeightsVersion]) -> list[Changed]:
    """Compare each version, the newest first, with the one before it."""
    pairs = zip(versions, [*versions[1:], versions[-1]], strict=True)
    return [
        Changed(
            version,
            [
                (PARTS[name], before.weights.get(name, 0.0), version.weights.get(name, 0.0))
                for name in TERMS
                if before.weights.get(name, 0.0) != version.weights.get(name, 0.0)
            ],
        )
        for version, before in pairs
    ]


def change(request: Request) -> str:
    """Weigh terms as previewed, unless somebody else changed them since."""
    given = {}
    for name in TERMS:
        try:
            given[name] = WEIGHT.validate_python(field_of(request, name))
        except ValidationError:
            raise Problem(422, f"{PARTS[name]} needs a number from 0 to {MOST:g}") from None
    if not any(given.values()):
        raise Problem(422, "something has to count")
    if field_of(request, "in_force") != str(list_weights()[0].version):
        raise Problem(409, "somebody changed the weights meanwhile: look at them first")
    version = change_weights(TermWeights(**given), caller_of(request).name)
    return f"Version {version} is in force: every list from now on is made with it."


def restore(request: Request, version: int) -> str:
    """Weigh terms as in an earlier version."""
    try:
        made = restore_weights(version, caller_of(request).name)
    except UnknownKeyError:
        raise Problem(404, f"there is no version {version}") from None
    return f"Version {version} is in force again, as version {made}."


PAGE = Page(
    path="/library/weights",
    template="library/weights.html",
    title="Weights",
    read=weights,
    parameters=tuple(
        query_text(name, "the id of a child whose lists are compared") for name in CHILDREN
    ),
    shows="What counts in recommendations: sliders, three children before and after, versions.",
    role=Role.librarian,
    menu="Weights",
)
ACTS = (
    Act(path="/weights/change", act=change, role=Role.librarian, audited=True),
    Act(
        path="/weights/{version}/restore",
        act=restore,
        parameters=(path_number("version", "unknown_weights"),),
        role=Role.librarian,
        audited=True,
    ),
)
