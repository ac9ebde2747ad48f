"""Threads: one in a product of matrices, for its sums depend on how it is divided."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from threadpoolctl import get_cached_controller

__all__ = ["one_thread", "worked"]

T = TypeVar("T")


def one_thread() -> AbstractContextManager:
    """Keep the linear algebra of this process to one thread, until it is left.

    Looking for its libraries costs 4 ms, more than many a product: they are known.
    """
    return get_cached_controller().limit(limits=1)


def worked(work: Callable[..., T], given: Iterable[tuple], workers: int) -> Iterator[T]:
    """Give what `work` returns, in order: `workers` at work, and one waits."""
    begun: deque[Future[T]] = deque()
    # a thread a district, and no more in it
    with one_thread(), ThreadPoolExecutor(workers) as threads:
        try:
            for arguments in given:
                begun.append(threads.submit(work, *arguments))
                if len(begun) > workers:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
