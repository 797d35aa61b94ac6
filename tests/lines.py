"""Lines of the Procfile as processes of a test."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.children import spawn, stop_groups
from embedded.procfile import read_procfile

ROOT = Path(__file__).parent.parent
# Programs of this interpreter's environment come first, as they do on a dyno.
SEARCH_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


@contextmanager
def running_lines(log_directory: Path, *names: str, **environment: object) -> Iterator[None]:
    """Runs these lines beside each other until the block ends, each with a log of its name.

    They inherit the environment of the test, with `environment` laid over it.
    """
    commands = read_procfile(ROOT / "Procfile")
    given = {name: str(value) for name, value in environment.items()}
    processes = []
    try:
        for name in names:
            with (log_directory / name).open("wb") as log:
                process = spawn(
                    ["sh", "-c", commands[name]],
                    env={**os.environ, "PATH": SEARCH_PATH, "PYTHONUNBUFFERED": "1", **given},
                    cwd=ROOT,
                    stdout=log,
                )
            processes.append((process, signal.SIGTERM))
        yield
    finally:
        stop_groups(processes)


def logs(log_directory: Path) -> str:
    """What the lines have written, for the message of a test that fails."""
    return "\n".join(
        f"--- {path.name}\n{path.read_text()}" for path in sorted(log_directory.iterdir())
    )
