"""What goes wrong: two lanes of random acts, one against the lines and one against the servers.

Each lane shuffles its acts and plays all of them before it shuffles again. Every act mends what it
broke, so that lines end and servers fail beside each other and nothing stays broken.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil
import psycopg

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.failures.servers import Server, Servers, processes_below
from tests.failures.soak.crew import Crew
from tests.failures.soak.teller import Teller
from workers.core.settings import settings
from workers.core.vocabulary import Queue
from workers.jobs.queues import pause_queue, resume_queue

Act = Callable[[random.Random], object]

STALLS_S = 0.3, 3.0
FREEZE_REDIS_S = 0.5, 12.0
FREEZE_POSTGRES_S = 0.3, 6.0
BETWEEN_S = 0.5, 5.0
NONSENSE = (Fault("html"), Fault("wrong_dimension"), Fault("nan"), Fault("wrong_count"))


class Lane:
    """Plays acts until `ending` is set; `played` counts them, `error` is what ended it early.

    Servers end with the thread that started them: their lane is played on the main thread.
    """

    def __init__(self, name: str, acts: dict[str, Act], seed: int, ending: threading.Event) -> None:
        self.played: Counter[str] = Counter()
        self.error: BaseException | None = None
        self._acts = acts
        self._random = random.Random(f"{seed} {name}")
        self._ending = ending
        self._began = time.monotonic()

    def play(self) -> None:
        """An act that has begun is finished."""
        try:
            for name in self._shuffled():
                if self._ending.wait(self._random.uniform(*BETWEEN_S)):
                    return
                began = time.monotonic()
                self._acts[name](self._random)
                self.played[name] += 1
                took = time.monotonic() - began
                print(f"{began - self._began:6.1f} s  {name} ({took:.1f} s)", flush=True)
        except Exception as error:  # noqa: BLE001  # the report has it, and the soak ends
            self.error = error
            self._ending.set()

    def _shuffled(self) -> Iterator[str]:
        while True:
            yield from self._random.sample(sorted(self._acts), len(self._acts))


def acts_on_lines(crew: Crew, tellers: list[Teller]) -> dict[str, Act]:
    """Kills, stalls, ends, pauses."""

    def kill(name: str) -> Act:
        return lambda _: crew.signal(name, signal.SIGKILL)

    def stall(name: str, seconds: tuple[float, float]) -> Act:
        def act(rng: random.Random) -> None:
            # Held: the supervisor must not start it a second time, and a stopped one cannot end.
            with crew.held(name) as line:
                if line.running:
                    line.signal(signal.SIGSTOP)
                    time.sleep(rng.uniform(*seconds))
                    with suppress(ProcessLookupError):
                        line.signal(signal.SIGCONT)

        return act

    def kill_a_child(rng: random.Random) -> None:
        with crew.held(rng.choice(["worker 1", "worker 2"])) as line:
            children = processes_below(line.process.pid)
            if children:
                with suppress(psutil.NoSuchProcess):
                    rng.choice(children).kill()

    def kill_web_in_a_post(rng: random.Random) -> None:
        rng.choice(tellers).posting.wait(5)
        time.sleep(rng.uniform(0, 0.03))
        crew.signal("web", signal.SIGKILL)

    def pause(rng: random.Random) -> None:
        until_it_works(lambda: pause_queue(Queue.live, "soak"))
        time.sleep(rng.uniform(*STALLS_S))
        until_it_works(lambda: resume_queue(Queue.live))

    def rebuild(_: random.Random) -> None:
        # It is refused while one is going on, and not heard while the API is away.
        with suppress(httpx.TransportError):
            httpx.post(f"{crew.address}/neighbors/rebuild", timeout=5)

    beyond_the_lease = settings().lease_seconds, settings().lease_seconds + 4
    return {
        "worker killed": kill("worker 1"),
        "other worker killed": kill("worker 2"),
        "worker's child killed": kill_a_child,
        "batch killed": kill("batch"),
        "scheduler killed": kill("scheduler"),
        "API killed": kill("web"),
        "API killed in a POST": kill_web_in_a_post,
        "worker stalled": stall("worker 1", STALLS_S),
        "worker stalled beyond its lease": stall("worker 2", beyond_the_lease),
        "scheduler stalled": stall("scheduler", STALLS_S),
        "API stalled": stall("web", STALLS_S),
        "worker asked to end": lambda _: crew.signal("worker 1", signal.SIGTERM),
        "API asked to end": lambda _: crew.signal("web", signal.SIGTERM),
        "queue paused and resumed": pause,
        "rebuild of the graph": rebuild,
    }


def acts_on_servers(servers: Servers, provider: EmbeddingsServer) -> dict[str, Act]:
    """Restarts, crashes, freezes, lost data, wrong answers."""

    def restart(server: Server, number: signal.Signals | None = None) -> Act:
        def act(_: random.Random) -> None:
            # One that is asked to stop while it recovers from the last act is slow to do so.
            _admin().close()
            server.restart(number)

        return act

    def freeze(server: Server, seconds: tuple[float, float]) -> Act:
        def act(rng: random.Random) -> None:
            with _frozen(server):
                time.sleep(rng.uniform(*seconds))

        return act

    def fault(*faults: Fault, most: int = 4) -> Act:
        return lambda rng: provider.fail_next(rng.choice(faults), rng.randint(1, most))

    def cut_connections(_: random.Random) -> None:
        with _admin() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def kill_a_backend(rng: random.Random) -> None:
        with _admin() as conn:
            backends = conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
            psutil.Process(rng.choice(backends)[0]).kill()

    return {
        "Redis wiped": lambda _: servers.wipe_redis(),
        "Redis restarted": restart(servers.redis),
        "Redis killed and started": restart(servers.redis, signal.SIGKILL),
        "Redis frozen": freeze(servers.redis, FREEZE_REDIS_S),
        "Postgres restarted": restart(servers.postgres),
        "Postgres crashed and started": restart(servers.postgres, signal.SIGQUIT),
        "Postgres frozen": freeze(servers.postgres, FREEZE_POSTGRES_S),
        "Postgres' connections cut": cut_connections,
        "Postgres' process killed": kill_a_backend,
        "provider fails": fault(Fault("status", code=500), Fault("status", code=503)),
        "provider limits": fault(Fault("status", code=429, retry_after="1")),
        "provider hangs or hangs up": fault(Fault("hang", seconds=4), Fault("drop")),
        "provider answers nonsense": fault(*NONSENSE),
        # The whole batch is dead at once.
        "provider denies": fault(Fault("status", code=401), most=1),
    }


@contextmanager
def _frozen(server: Server) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def _admin() -> psycopg.Connection:
    """Postgres may be recovering from the act before this one."""
    found: list[psycopg.Connection] = []
    until_it_works(
        lambda: found.append(psycopg.connect(str(settings().database_url), autocommit=True))
    )
    return found[0]


def until_it_works(work: Callable[[], object], limit_s: float = 60) -> None:
    """The other lane may have the server down."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            work()
        except Exception:  # its errors are the acts' doing, until the limit
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
