"""One thread for products of matrices: their sums depend on how they are divided."""

from __future__ import annotations

from contextlib import AbstractContextManager

from threadpoolctl import get_cached_controller

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager:
    """Keep the linear algebra of this process to one thread, until it is left.

    Looking for its libraries costs 4 ms, more than many a product: they are known.
    """
    return get_cached_controller().limit(limits=1)
