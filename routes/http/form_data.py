"""Forms with files, as browsers send them: multipart/form-data, read from the bounded body."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multipart import MultipartError, MultipartParser, parse_options_header
from starlette.requests import Request

from routes.http.problems import Problem

MEDIA_TYPE = "multipart/form-data"


@dataclass(frozen=True)
class FormData:
    """Fields of a form and its files, by name; each with its values in their order.

    `names` are what the files were called where they came from.
    """

    fields: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[bytes]]
    names: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """Return the first value of a field; empty where the form has none."""
        return next(iter(self.fields.get(name, ())), "")

    def file(self, name: str) -> bytes:
        """Return what the first file of a field holds; empty where none was chosen."""
        return next(iter(self.files.get(name, ())), b"")

    def name_of(self, name: str) -> str:
        """Return what the first file of a field was called; empty where there is none."""
        return next(iter(self.names.get(name, ())), "")


def read_form_data(request: Request, *, most_parts: int) -> FormData:
    """Read a form that may hold files; nothing of it is written to a disk.

    Raises:
        Problem: 415, it is no such form; 400, it is a broken one; 413, it has too many parts.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != MEDIA_TYPE or not options.get("boundary"):
        raise Problem(415, f"the body must be {MEDIA_TYPE}")
    body: bytes = request.state.body
    room = len(body) + 1
    fields: dict[str, list[str]] = {}
    files: dict[str, list[bytes]] = {}
    names: dict[str, list[str]] = {}
    count = 0
    try:
        for part in MultipartParser(
            io.BytesIO(body),
            options["boundary"],
            len(body),
            part_limit=most_parts + 1,
            spool_limit=room,
            memory_limit=room,
        ):
            count += 1
            if count > most_parts:
                raise Problem(413, f"a form has at most {most_parts} parts")
            if part.filename is None:
                # A browser ends lines of a text field as CR LF.
                text = part.raw.decode(errors="replace").replace("\r\n", "\n")
                fields.setdefault(part.name, []).append(text)
            else:
                files.setdefault(part.name, []).append(part.raw)
                names.setdefault(part.name, []).append(part.filename)
    except MultipartError as error:
        raise Problem(400, f"the form cannot be read: {type(error).__name__}") from None
    return FormData(fields, files, names)
