"""Files in the home that only their owner may read: passwords, logs, the env file."""

import os
import secrets
from pathlib import Path
from typing import IO


def prepare_home(home: Path) -> None:
    """Creates the home, closed to others.

    Root's Postgres runs as another user, which must be able to pass through: 0711 then.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        home.chmod(home.stat().st_mode | 0o111)


def write_private(path: Path, text: str) -> None:
    """Replaces the file whole, mode 0600; a crash leaves the old one or the new one."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def kept_password(path: Path) -> str:
    """The password in that file, made at random (URL-safe) on first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text().strip()


def fresh_log(path: Path) -> IO[bytes]:
    """Opens an empty log, mode 0600; the one before is kept as `<name>.previous`."""
    if path.exists():
        path.replace(path.with_name(path.name + ".previous"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
