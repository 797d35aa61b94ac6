"""The output of several processes as one, each line with the name of its process."""

import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from itertools import cycle
from typing import IO, TextIO

COLOURS = ("36", "33", "32", "35", "34", "31")
RESET = "\x1b[0m"
READ_BYTES = 65536


@dataclass(frozen=True)
class Stream:
    """A process' output; `unfinished` is the part of a line read so far."""

    name: str
    pipe: IO[bytes]
    unfinished: bytearray


class MergedOutput:
    """Reads the pipes given to `follow` and writes whole lines to `out`.

    Colour only on a terminal, and not under NO_COLOR. `broken` is set once nobody reads `out`;
    the pipes are read on, so that no process blocks on a full one.
    """

    def __init__(self, out: TextIO) -> None:
        self.broken = False
        self._out = out
        self._coloured = out.isatty() and "NO_COLOR" not in os.environ
        self._free_colours = cycle(COLOURS)
        self._colours: dict[str, str] = {}
        self._width = 10
        self._selector = selectors.DefaultSelector()

    def follow(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """From now on `pump` also reads what this process writes."""
        if process.stdout is None:
            raise ValueError(f"{name} was started without a pipe on its output")
        os.set_blocking(process.stdout.fileno(), False)
        stream = Stream(name, process.stdout, bytearray())
        self._selector.register(stream.pipe, selectors.EVENT_READ, stream)
        self._width = max(self._width, len(name))

    def pump(self, seconds: float) -> None:
        """Writes what comes within that time; returns no earlier."""
        deadline = time.monotonic() + seconds
        while True:
            for key, _events in self._selector.select(max(0.0, deadline - time.monotonic())):
                self._read(key.data)
            if time.monotonic() >= deadline:
                return

    def say(self, text: str) -> None:
        """A line of our own, without a name."""
        if self.broken:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except OSError:  # the reader of the pipe is gone, or the terminal is closed
            self.broken = True

    def _read(self, stream: Stream) -> None:
        data = os.read(stream.pipe.fileno(), READ_BYTES)
        stream.unfinished.extend(data)
        *lines, rest = bytes(stream.unfinished).split(b"\n")
        if not data and rest:
            lines.append(rest)
        for line in lines:
            self._write(stream.name, line.decode(errors="replace").rstrip("\r"))
        stream.unfinished[:] = rest
        if not data:
            self._selector.unregister(stream.pipe)
            stream.pipe.close()

    def _write(self, name: str, text: str) -> None:
        label = f"{name:<{self._width}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, next(self._free_colours))
            label = f"\x1b[{colour}m{label}{RESET}"
        self.say(f"{label} {text}")
