"""Work that depends on other work, several pieces at a time."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack


def run_graph(
    upstream: Mapping[str, Collection[str]],
    work: Callable[[str], bool],
    *,
    jobs: int,
    expected: Mapping[str, float],
    stop: Callable[[], None],
) -> list[str]:
    """Do each piece of work once all that it depends on has gone well.

    Parameters
    ----------
    upstream
        For each name the names it depends on, without circles.
    work
        Called with a name, in a thread; says whether it went well.
    jobs
        How many at a time.
    expected
        Seconds a name took before: the longest begin first, so that none is left for the end.
    stop
        Called if any work raises, or on an interrupt; it must make the work under way end.

    Returns
    -------
    list of str
        Names that never started, because something they depend on did not go well.

    Examples
    --------
    >>> upstream = {"b": ["a"], "a": [], "c": []}
    >>> run_graph(upstream, lambda name: name != "a", jobs=2, expected={}, stop=lambda: None)
    ['b']
    """
    left = sorted(upstream, key=lambda name: -expected.get(name, float("inf")))
    well: set[str] = set()
    running: dict[Future[bool], str] = {}
    with ThreadPoolExecutor(jobs) as pool, ExitStack() as unfinished:
        unfinished.callback(stop)  # also at an interrupt: the pool waits for its threads
        while True:
            for name in [name for name in left if well.issuperset(upstream[name])]:
                if len(running) < jobs:
                    left.remove(name)
                    running[pool.submit(work, name)] = name
            if not running:
                unfinished.pop_all()
                return [name for name in upstream if name in left]
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                well |= {name} if future.result() else set()
