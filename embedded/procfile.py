"""The Procfile: one `name: command` per line."""

import re
from pathlib import Path

from embedded.errors import EmbeddedError

LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(path: Path) -> dict[str, str]:
    """Name → command, in the order of the file. Raises EmbeddedError on a line of no such form."""
    if not path.exists():
        raise EmbeddedError(f"There is no {path}.")
    commands: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        if match is None:
            raise EmbeddedError(f"{path}, line {number}: not of the form `name: command`.")
        commands[match[1]] = match[2]
    return commands
