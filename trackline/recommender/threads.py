"""One thread for products of matrices: their sums depend on how they are divided."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

# what multiplies is loaded before it is looked for
import scipy.linalg  # noqa: F401
from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager:
    """Keep the linear algebra of this process to one thread while it is entered."""
    return _libraries().limit(limits=1)


@cache
def _libraries() -> ThreadpoolController:
    # looking for them costs 4 ms, more than many a product
    return ThreadpoolController()
