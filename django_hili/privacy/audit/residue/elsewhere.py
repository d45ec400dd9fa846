"""What lies neither in our tables nor in our folders: the queue, the caches, this process's log."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.db import connections, router

from django_hili import queue
from django_hili.privacy.audit.residue.look import PLANT, new_word

_PLANT_SECONDS = 60


class QueueTables:
    """Tasks that wait and tasks that have ended, opened as the queue opens them."""

    name = "queue tables"

    def pieces(self) -> Iterator[bytes]:
        """Yield task after task."""
        return (text.encode() for text in queue.stored_texts())

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Plant in an open transaction."""
        word = new_word()
        with queue.planted_rows(word.decode()):
            yield [word]


class QueueBroker:
    """Tasks that wait at a broker of its own."""

    name = "queue broker"

    def __init__(self) -> None:
        self._planted: str | None = None

    def pieces(self) -> Iterator[bytes]:
        """Yield task after task, of the site's queue and of a planted one."""
        for key in {None, self._planted}:
            yield from (text.encode() for text in queue.waiting_texts(key) or ())

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Plant in a queue no worker serves."""
        word = new_word()
        with queue.planted_at_the_broker(word.decode()) as self._planted:
            yield [word]


class Cache:
    """One of the site's caches. The app uses none; a word of ours would be somebody's mistake."""

    def __init__(self, alias: str) -> None:
        self._alias = alias

    @property
    def name(self) -> str:
        """The alias of the cache."""
        return f"cache ({self._alias})"

    @property
    def is_open(self) -> bool:
        """Whether this kind of cache can be read from end to end."""
        return isinstance(caches[self._alias], LocMemCache | DatabaseCache | RedisCache)

    def pieces(self) -> Iterator[bytes]:
        """Yield keys and values."""
        cache: Any = caches[self._alias]
        if isinstance(cache, LocMemCache):
            yield from _in_memory(cache)
        elif isinstance(cache, DatabaseCache):
            yield from _in_table(cache)
        else:
            yield from _in_redis(cache)

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Set a value that ends by itself within a minute."""
        key, word = new_word(), new_word()
        name = f"{PLANT}{key.decode()}"
        caches[self._alias].set(name, word.decode(), _PLANT_SECONDS)
        try:
            yield [key, word]
        finally:
            caches[self._alias].delete(name)


class Log(logging.Handler):
    """What this process logs from now on, as the site's own handlers would get it."""

    name = "log of this process"

    def __init__(self) -> None:
        super().__init__()
        self._text = io.StringIO()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._text.write(self.format(record) + "\n")

    def pieces(self) -> Iterator[bytes]:
        """Yield what was logged."""
        yield self._text.getvalue().encode()

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Have a line arrive that the site's own handlers do not get."""
        word = new_word()
        before = self._text.getvalue()
        record = logging.LogRecord(
            PLANT, logging.INFO, "", 0, "%s", (word.decode(),), exc_info=None
        )
        self.handle(record)
        try:
            yield [word]
        finally:
            self._text = io.StringIO()
            self._text.write(before)


@contextmanager
def logged() -> Iterator[Log]:
    """Listen to every logger while the block lasts."""
    log, root = Log(), logging.getLogger()
    root.addHandler(log)
    try:
        yield log
    finally:
        root.removeHandler(log)


def queues() -> Iterator[QueueTables | QueueBroker]:
    """Yield where tasks are, as far as that can be read."""
    if queue.is_installed():
        yield QueueTables()
        if not queue.lies_in_the_database() and queue.waiting_texts() is not None:
            yield QueueBroker()


def all_caches() -> Iterator[Cache]:
    """Yield the site's caches, but for those that keep nothing."""
    for alias in settings.CACHES:
        if not isinstance(caches[alias], DummyCache):
            yield Cache(alias)


def _in_memory(cache: Any) -> Iterator[bytes]:
    for key, value in list(cache._cache.items()):  # noqa: SLF001 - there is no other way to list
        yield key.encode() + b"\n" + value


def _in_table(cache: Any) -> Iterator[bytes]:
    connection = connections[router.db_for_read(cache.cache_model_class)]
    table = connection.ops.quote_name(cache._table)  # noqa: SLF001 - as above
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT cache_key, value FROM {table}")  # noqa: S608 - the site's setting
        for key, value in cursor:
            yield key.encode() + b"\n" + base64.b64decode(value)


def _in_redis(cache: Any) -> Iterator[bytes]:
    client = cache._cache.get_client()  # noqa: SLF001 - as above
    for key in client.scan_iter(match=cache.make_key("*")):
        if client.type(key) == b"string":
            yield key + b"\n" + (client.get(key) or b"")
