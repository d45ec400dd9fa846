"""Keeps a site's transaction around a whole request (`ATOMIC_REQUESTS`) off the views that send.

A send has to be written down for good before it leaves, and what follows from it is committed
step by step. Owns the mark on a view; knows no view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections, transaction

_View = TypeVar("_View", bound=Callable[..., Any])


def commits_by_itself(view: _View) -> _View:
    """Mark a view: no transaction is opened around it, in none of the site's databases."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view
