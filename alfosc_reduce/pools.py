"""Where tasks are carried out: in this process, on a pool of processes, or on a Dask cluster."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any

from alfosc_reduce.errors import ConfigurationError

_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
"""What workers find in their environment: one thread each for linear algebra."""

Opener = Callable[[], Executor]

_WORKER = "alfosc_reduce.worker"

PLENTY = 200_000_000
"""Bytes that a worker may hold between two tasks."""


def start(pool: Executor, fn: Callable[..., Any], *args: Any) -> Future[Any]:
    """Carry out ``fn(*args, announce)`` on a pool; the future has what `fn` announces, failing that what it returns.

    Where the pool's processes cannot tell of anything before they have done, `fn` goes without ``announce``.
    """
    return pool.start(fn, *args) if isinstance(pool, Processes) else pool.submit(fn, *args)


def import_ahead(pool: Executor, module: str) -> None:
    """Let a process of a pool that has nothing else to do import what a later task needs; nobody waits for it.

    If that fails, the task will tell.
    """
    if isinstance(pool, Processes):
        pool.submit(import_module, module)


class Here(Executor):
    """Carries out each task at once in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a finished future."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_ready(libraries: Sequence[str]) -> None:
    """Start the server process from which workers are forked; it goes on importing while the caller does other things.

    Parameters
    ----------
    libraries
        What workers need beside what all do (`alfosc_reduce.worker`).
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        with worker_environment(), _without_script():
            forkserver.set_forkserver_preload([*libraries, _WORKER])
            forkserver.ensure_running()


class Processes(ProcessPoolExecutor):
    """A pool of fresh processes, each with one thread for linear algebra.

    They are forked from a clean server process that has imported the libraries once, where the system has that; a
    worker never inherits the state of the caller. Workers end at once when the caller is killed or will not wait.
    """

    def __init__(self, jobs: int, libraries: Sequence[str] = ()) -> None:
        server = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if server else "spawn")
        if server:
            get_ready(libraries)
        # Nothing is ever sent through this pipe: that its far end is open says that the caller lives.
        self._watched, self._lifeline = context.Pipe(duplex=False)
        self._news, self._mouth = context.Pipe(duplex=False)
        self._started: dict[int, Future[Any]] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        with worker_environment():
            given = (self._watched, self._mouth)
            super().__init__(jobs, mp_context=context, initializer=_prepare, initargs=given)
            self.submit(int).cancel()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task to a worker."""
        with _without_script():
            return super().submit(fn, *args, **kwargs)

    def start(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Send a task to a worker; the future is done as soon as the task announces what it made."""
        early: Future[Any] = Future()
        number = len(self._started)
        self._started[number] = early
        late = self.submit(_speaking, number, fn, *args)
        late.add_done_callback(lambda done: _settle(early, done))
        return early

    def _listen(self) -> None:
        """Hand on what tasks announce, until the pool is closed."""
        with suppress(EOFError, OSError):
            while True:
                number, announced = self._news.recv()
                _settle(self._started[number], announced)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what was submitted, or end the workers whatever they are at."""
        if not wait:
            self._lifeline.close()
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self._lifeline.close()
        self._mouth.close()


def _settle(future: Future[Any], found: Any) -> None:
    """Give a future its result, from another that is done or as it is; the first to come is taken."""
    with suppress(InvalidStateError):
        if not isinstance(found, Future):
            future.set_result(found)
        elif error := found.exception():
            future.set_exception(error)
        else:
            future.set_result(found.result())


_voice: list[Connection] = []
"""In a worker: the way to the caller, which all workers share. What is short is written in one stroke; a lock would be
held for ever by a worker that is killed."""


def give_back_memory(above: int = PLENTY) -> None:
    """Give freed memory back to the system if this process holds more than `above` bytes, where the system can tell.

    The C library keeps what large arrays leave, up to some hundred megabytes a worker, for the next ones.
    """
    try:
        held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, ValueError, AttributeError):
        return
    if held > above:
        gc.collect()
        trim(0)


def _speaking(number: int, fn: Callable[..., Any], *args: Any) -> Any:
    """Call ``fn(*args, announce)`` in a worker."""
    try:
        return fn(*args, lambda what: _voice[0].send((number, what)))
    finally:
        give_back_memory()


def _prepare(lifeline: Connection, mouth: Connection) -> None:
    """Make ready a worker: Ctrl-C is for the main process to handle, and without that there is nothing to do."""
    import signal

    def watch() -> None:
        wait([lifeline])
        os._exit(1)

    _voice[:] = [mouth]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the caller's script from new processes, which would run it again: they need nothing of it."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def worker_environment() -> Iterator[None]:
    """Set the environment that new processes inherit."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Cluster(Executor):
    """A Dask client that is closed with its executor; the cluster itself goes on."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(pure=False, retries=0)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task to the cluster."""
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what was submitted, or cancel it; then leave the cluster."""
        # Dask's executor takes no cancel_futures: it cancels whenever it does not wait.
        self._executor.shutdown(wait and not cancel_futures)
        self._client.close()


def cluster(address: str) -> Executor:
    """Return an executor on a running Dask cluster that sees the same files.

    Raises
    ------
    ConfigurationError
        If Dask is not installed, or nothing answers at `address`.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ConfigurationError("--dask needs Dask: pip install 'alfosc-reduce[dask]'") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigurationError(f"--dask {address}: no cluster answers there ({error})") from None
    return Cluster(client)


def opener(jobs: int | None, dask: str | None, libraries: Sequence[str] = ()) -> tuple[Opener, int]:
    """Return what opens the executor, and how many tasks to keep in hand.

    Parameters
    ----------
    jobs
        Number of processes; None for one a core, 1 for this process.
    dask
        Address of a cluster, which takes precedence.
    libraries
        What processes should import before they are forked.
    """
    if dask:
        return (lambda: cluster(dask)), 64
    count = _count(jobs)
    return (Here, 1) if count == 1 else ((lambda: Processes(count, libraries)), count + 1)


def needs_processes(jobs: int | None, dask: str | None) -> bool:
    """Say whether `opener` would open a pool of processes."""
    return not dask and _count(jobs) > 1


def _count(jobs: int | None) -> int:
    count = default_jobs() if jobs is None else jobs
    if count < 1:
        raise ConfigurationError(f"--jobs {jobs}: must be at least 1")
    return count
