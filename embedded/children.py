"""Starting a process that cannot outlive us, and stopping its whole group."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36

STOP_SECONDS = 25.0
KILL_SECONDS = 5.0

# Loaded here because a child between fork and exec must not import or allocate much.
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The system user a child runs as."""

    uid: int
    gid: int


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdout: int | IO[bytes],
    stdin: int = subprocess.DEVNULL,
    lock_fd: int | None = None,
    run_as: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Starts argv in a session of its own, stderr joined to stdout.

    On Linux it gets `death_signal` when the thread that called this ends, so call it from the
    main thread. `lock_fd` stays open in the child (see lock.py).
    """
    return subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        pass_fds=() if lock_fd is None else (lock_fd,),
        start_new_session=True,
        user=run_as.uid if run_as else None,
        group=run_as.gid if run_as else None,
        extra_groups=[] if run_as else None,
        # Runs after the change of user, which would clear the death signal.
        preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509 - two system calls, no lock
    )


def adopt_orphans() -> None:
    """On Linux, grandchildren whose parent died become ours, so that we can reap them.

    Without it a group would look alive for ever where process 1 does not reap (containers).
    """
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def group_gone(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process and everything in its group has ended. Reaps what it can."""
    if process.poll() is None:
        return False
    try:
        while os.waitpid(-process.pid, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass  # none of the rest is our child
    return not signal_group(process, 0)


def signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Sends a signal to the whole group; False if there is nobody left in it."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # macOS says EPERM for a group of which only zombies are left.
        return False
    return True


def stop_groups(
    wanted: Sequence[tuple[subprocess.Popen[bytes], signal.Signals]],
    *,
    pause: Callable[[float], None] = time.sleep,
    seconds: float = STOP_SECONDS,
) -> None:
    """Sends each group its signal, waits up to `seconds` for all, then sends SIGKILL.

    `pause` is called between looks; it must not raise.
    """
    left = [process for process, number in wanted if not group_gone(process)]
    for process, number in wanted:
        if process in left:
            signal_group(process, number)
    left = _wait_gone(left, seconds, pause)
    for process in left:
        signal_group(process, signal.SIGKILL)
    _wait_gone(left, KILL_SECONDS, pause)


def _wait_gone(
    processes: Sequence[subprocess.Popen[bytes]], seconds: float, pause: Callable[[float], None]
) -> list[subprocess.Popen[bytes]]:
    deadline = time.monotonic() + seconds
    left = [process for process in processes if not group_gone(process)]
    while left and time.monotonic() < deadline:
        pause(0.05)
        left = [process for process in left if not group_gone(process)]
    return left


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    libc = LIBC
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above took effect
            os._exit(1)

    return before_exec
