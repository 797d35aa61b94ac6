"""What can go wrong here. Every message is a sentence for the person at the terminal."""

from pathlib import Path

TAIL_LINES = 20


class EmbeddedError(Exception):
    """The stack cannot run; the message says why and what to do."""


class AlreadyRunningError(EmbeddedError):
    """A live supervisor holds this home. `pid` is None when it has not written its id yet."""

    def __init__(self, home: Path, pid: int | None) -> None:
        self.home = home
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"kinfold is already running on {home} ({who}); stop it first, "
            "or set KINFOLD_HOME to another directory."
        )


class StillStoppingError(EmbeddedError):
    """The supervisor is dead, but one of its services is alive after the time given."""

    def __init__(self, home: Path, waited_seconds: float) -> None:
        self.home = home
        super().__init__(
            f"An earlier run on {home} was killed and one of its services is still alive after "
            f"{waited_seconds:.0f} s; end those processes and try again."
        )


class ServiceFailedError(EmbeddedError):
    """A service did not start, or ended by itself. Carries the end of its log."""

    def __init__(self, service: str, reason: str, log: Path) -> None:
        self.service = service
        self.log = log
        super().__init__(f"{service} {reason}. The end of {log}:\n{tail(log)}")


class LineFailedError(EmbeddedError):
    """A line that had to succeed before the start (release, sample) did not."""

    def __init__(self, name: str, exit_code: int) -> None:
        self.name = name
        self.exit_code = exit_code
        super().__init__(f"{name} failed with exit code {exit_code}; its output is above.")


def tail(log: Path) -> str:
    """The last lines of a log, or a note that there is none."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
