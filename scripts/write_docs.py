"""Write the tables of the docs that are made from code: operations, events, settings, pages.

`make docs` runs it; tests/house/test_generated_docs.py fails while a page is not what it writes.
A page marks where a table stands: `<!-- table: operations -->`, the table, `<!-- end of table -->`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from routes.http.operations import Operation

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "docs" / "api.md",
    ROOT / "docs" / "settings.md",
    ROOT / "docs" / "operations" / "console.md",
    ROOT / "docs" / "library.md",
)
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def main() -> None:
    """Write every page anew and say which ones differ from before."""
    for page in PAGES:
        before = page.read_text()
        after = written(before)
        page.write_text(after)
        print(f"{'written' if after != before else 'as it was'}: {page.relative_to(ROOT)}")  # noqa: T201


def written(page: str) -> str:
    """Fill every marked place of a page with its table."""
    # The app is imported for its tables only, and opens no store.
    os.environ.setdefault("DATABASE_URL", "postgresql://nowhere/kinfold")
    os.environ.setdefault("REDIS_URL", "redis://nowhere")
    tables = {
        "operations": operations,
        "events": events,
        "settings": settings,
        "pages": pages,
        "library": library,
        "forms": forms,
    }
    return MARKED.sub(lambda found: f"{found[1]}\n{tables[found[2]]()}\n{found[3]}", page)


def operations() -> str:
    """Write the table of the API's operations."""
    from api import OPERATIONS  # noqa: PLC0415  # after the variables of `written`

    return _table(
        ("Operation", "Key", "What it does"),
        ((f"`{each.method} {each.path}`", _who(each), each.summary) for each in OPERATIONS),
    )


def _who(operation: "Operation") -> str:
    """Name the lowest role that may call, and those beside it."""
    roles = filter(None, (operation.role, *operation.also))
    return ", ".join(role.name for role in roles) or "none"


def events() -> str:
    """Write the table of event types, with the fields that each has to have."""
    from workers.ingest.events import EVENT  # noqa: PLC0415

    schema = EVENT.json_schema()
    models = {
        event_type: schema["$defs"][reference.rpartition("/")[2]]
        for event_type, reference in schema["discriminator"]["mapping"].items()
    }
    return _table(
        ("`event_type`", "Needs", "What it says"),
        (
            (
                f"`{event_type}`",
                ", ".join(f"`{name}`" for name in model["required"] if name != "event_type"),
                model["description"].partition("\n\n")[0].replace("\n", " "),
            )
            for event_type, model in models.items()
        ),
    )


def settings() -> str:
    """Write one table of settings per class of variables."""
    from workers.core.settings import Settings  # noqa: PLC0415

    return "\n".join(
        f"## {(subject.__doc__ or '').strip().rstrip('.')}\n\n"
        + _table(
            ("Variable", "Default", "Bounds", "What it is"),
            (
                (f"`{name.upper()}`", _default(field), _bounds(field), field.description or "")
                for name, field in subject.model_fields.items()
            ),
        )
        for subject in reversed(Settings.__bases__)
        if issubclass(subject, BaseSettings)
    )


def pages() -> str:
    """Write the table of the console's pages."""
    from routes.console.views import PAGES  # noqa: PLC0415

    return _table(
        ("Page", "Key", "What it shows"),
        ((f"`{page.path}`", page.role.name, page.shows) for page in PAGES),
    )


def library() -> str:
    """Write the table of the library's pages."""
    from routes.library.views import PAGES  # noqa: PLC0415

    return _table(
        ("Page", "Key", "What it shows"),
        ((f"`{page.path}`", page.role.name, page.shows) for page in PAGES),
    )


def forms() -> str:
    """Write the table of the console's forms."""
    from api import OPERATIONS  # noqa: PLC0415

    return _table(
        ("Form", "Key", "What it says afterwards"),
        (
            (
                f"`{each.method} {each.path}`",
                _who(each),
                _said(each.form.done),
            )
            for each in OPERATIONS
            if each.form
        ),
    )


def _said(text: str) -> str:
    """Leave formats out of a text's places: {count:,} is {count}."""
    return re.sub(r"{(\w+):[^}]*}", r"{\1}", text)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    return f"`{field.default}`" if field.default not in (None, (), {}) else "unset"


def _bounds(field: FieldInfo) -> str:
    return ", ".join(_signs(field.metadata))


def _signs(metadata: Iterable[Any]) -> Iterator[str]:
    for each in metadata:
        for name, sign in SIGNS.items():
            bound = getattr(each, name, None)
            if bound is not None:
                yield f"{sign} {bound}"


if __name__ == "__main__":
    main()
