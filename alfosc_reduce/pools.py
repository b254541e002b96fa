"""Where tasks are carried out: in this process, on a pool of processes, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any

from alfosc_reduce.errors import ConfigurationError

_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
"""What workers find in their environment: one thread each for linear algebra."""

Opener = Callable[[], Executor]


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


class Processes(ProcessPoolExecutor):
    """A pool of fresh processes, each with one thread for linear algebra.

    They are forked from a clean server process that has imported the libraries once, where the system has that; a
    worker never inherits the state of the caller. Workers end at once when the caller is killed or will not wait.
    """

    def __init__(self, jobs: int) -> None:
        server = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if server else "spawn")
        if server:
            context.set_forkserver_preload(["alfosc_reduce.worker"])
        # Nothing is ever sent through this pipe: that its far end is open says that the caller lives.
        self._watched, self._lifeline = context.Pipe(duplex=False)
        with worker_environment():
            super().__init__(jobs, mp_context=context, initializer=_prepare, initargs=(self._watched,))
            self.submit(int).cancel()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task to a worker."""
        with _without_script():
            return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what was submitted, or end the workers whatever they are at."""
        if not wait:
            self._lifeline.close()
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            self._lifeline.close()


def _prepare(lifeline: Connection) -> None:
    """Make ready a worker: Ctrl-C is for the main process to handle, and without that there is nothing to do."""
    import signal
    import threading

    def watch() -> None:
        wait([lifeline])
        os._exit(1)

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


def opener(jobs: int | None, dask: str | None) -> tuple[Opener, int]:
    """Return what opens the executor, and how many tasks to keep in hand.

    Parameters
    ----------
    jobs
        Number of processes; None for one a core, 1 for this process.
    dask
        Address of a cluster, which takes precedence.
    """
    if dask:
        return (lambda: cluster(dask)), 64
    count = default_jobs() if jobs is None else jobs
    if count < 1:
        raise ConfigurationError(f"--jobs {jobs}: must be at least 1")
    return (Here, 1) if count == 1 else ((lambda: Processes(count)), count + 1)
