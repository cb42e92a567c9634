"""Runs side by side: compiled code holds no interpreter lock, so two threads keep two cores busy."""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from irqvisor.errors import UsageError

WORKERS = 2

Job = TypeVar("Job", bound=Hashable)
Row = dict[str, Any]


def run_all(
    jobs: Sequence[Job],
    run: Callable[[Job, Callable[[float], None]], Row],
    *,
    workers: int = WORKERS,
    on_done: Callable[[Job, Row], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> dict[Job, Row]:
    """Do all jobs, several at a time; what comes out does not depend on how many.

    Args:
        jobs: what is to be done.
        run: does one; it is also given what to tell its progress to, 0 to 1.
        workers: jobs at a time.
        on_done: called with a job and its result, as soon as that is there.
        on_progress: called with the share of all work that is done, 0 to 1.

    Raises:
        UsageError: no workers.
        Exception: the first that a job raised; the others then give up when they next tell their progress.
    """
    if workers < 1:
        raise UsageError("workers", f"found {workers}", "1 or more")
    found: dict[Job, Row] = {}
    shares = dict.fromkeys(jobs, 0.0)
    cancelled = threading.Event()

    def do(job: Job) -> Row:
        def progress(share: float) -> None:
            if cancelled.is_set():
                raise _CancelledError
            shares[job] = share

        return run(job, progress)

    with ThreadPoolExecutor(workers, thread_name_prefix="irqvisor") as pool:
        running: dict[Future[Row], Job] = {pool.submit(do, job): job for job in jobs}
        try:
            while running:
                done, _ = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in done:
                    job = running.pop(future)
                    found[job] = future.result()
                    shares[job] = 1.0
                    if on_done is not None:
                        on_done(job, found[job])
                if on_progress is not None:
                    on_progress(sum(shares.values()) / len(shares))
        except BaseException:
            # Compiled code cannot be interrupted; each run looks up a few times and gives up then.
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


class _CancelledError(Exception):
    """Another run failed, or the user had enough."""
