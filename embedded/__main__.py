"""`python -m embedded`: the whole product on one machine, until Ctrl-C."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.children import adopt_orphans
from embedded.errors import EmbeddedError
from embedded.interrupts import Interrupted, Interrupts
from embedded.merged_output import MergedOutput
from embedded.ports import claimed_web_port
from embedded.private_files import write_private
from embedded.procfile import read_procfile
from embedded.ready import ReadyLine
from embedded.service import masked
from embedded.services import running_services
from embedded.supervise import Supervisor

CHECKOUT = Path(__file__).resolve().parent.parent
LOAD_SAMPLE = f"{shlex.quote(sys.executable)} -m workers.operations.load_sample"
LOAD_DOCUMENTS = f"{shlex.quote(sys.executable)} -m sample.load_documents"


def main() -> int:
    """The exit code: 0 after a signal, 1 with a sentence on stderr when it cannot go on."""
    interrupts = Interrupts()
    interrupts.install()
    adopt_orphans()
    output = MergedOutput(sys.stdout)
    try:
        run(output, interrupts)
    except Interrupted:
        output.say("kinfold has stopped")
        return 0
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if output.broken:  # Python's last flush of stdout would fail and change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def run(output: MergedOutput, interrupts: Interrupts) -> None:
    """Services, release, sample, then every other line of the Procfile; ends by raising."""
    home = Path(os.environ.get("KINFOLD_HOME") or CHECKOUT / ".kinfold").resolve()
    commands = read_procfile(CHECKOUT / "Procfile")
    release = commands.pop("release", None)
    with (
        running_services(
            home,
            postgres=not os.environ.get("DATABASE_URL"),
            redis=not os.environ.get("REDIS_URL"),
            mongo=not os.environ.get("MONGO_URL"),
            pause=interrupts.pause,
            say=output.say,
        ) as services,
        # After the lock, so that the web process of a killed run has left its port.
        claimed_web_port(os.environ.get("PORT")) as port,
    ):
        started = {service.name: service.url for service in services}
        urls = {
            "DATABASE_URL": os.environ.get("DATABASE_URL") or started["postgres"],
            "REDIS_URL": os.environ.get("REDIS_URL") or started["redis"],
            "MONGO_URL": os.environ.get("MONGO_URL") or started["mongo"],
        }
        settings = {
            **urls,
            "HOST": os.environ.get("HOST") or "127.0.0.1",
            "PORT": str(port),
            "KINFOLD_ENV": os.environ.get("KINFOLD_ENV") or "development",
        }
        supervisor = Supervisor(
            env=_environment(settings),
            cwd=CHECKOUT,
            output=output,
            interrupts=interrupts,
            services=services,
        )
        with _env_file(home / "env", urls) as env_file:
            for name, url in urls.items():
                output.say(f"{name:<12} {masked(url)}")
            output.say(f"{'web':<12} http://127.0.0.1:{port}")
            output.say(f"To run a command with the full URLs: env $(cat {env_file}) COMMAND")
            if release is not None:
                supervisor.run_to_end("release", release)
            if "postgres" in started:  # somebody else's database gets no invented students
                supervisor.run_to_end("sample", LOAD_SAMPLE)
            if "mongo" in started:
                supervisor.run_to_end("sample", LOAD_DOCUMENTS)
            supervisor.run(commands, on_tick=ReadyLine(port, output.say).look)


@contextmanager
def _env_file(path: Path, settings: dict[str, str]) -> Iterator[Path]:
    """KEY=VALUE lines, mode 0600, gone after the block: the addresses die with the run."""
    write_private(path, "".join(f"{key}={shlex.quote(text)}\n" for key, text in settings.items()))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """The caller's, with this interpreter's programs first and output that is not held back."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **settings, "PATH": path, "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    sys.exit(main())
