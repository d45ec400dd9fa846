"""Tables of a database, read as they are, and the file they lie in.

A row is planted in a transaction that is never committed: nobody else sees it and no crash
leaves it behind.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.db import connections, models, router, transaction
from django.db.models import Field, Model
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.models import WrappingKey
from django_hili.privacy.audit.residue.look import new_word, pieces_of_path

_PAGE: Final = 1000
_FAR: Final = 2_000_000_000
"""A number no row has."""
_FAR_SMALL: Final = 32_000
_MILLENNIUM: Final = dt.timedelta(days=365_000)


def tables() -> Iterator[TablePlace]:
    """Yield our own tables, and the log of the admin where the site has it."""
    labels = ["django_hili"] + ["admin"] * apps.is_installed("django.contrib.admin")
    for label in labels:
        for model in apps.get_app_config(label).get_models():
            for alias in _aliases(model):
                place = TablePlace(model, alias)
                if place.columns:
                    yield place


def database_files() -> Iterator[DatabaseFile]:
    """Yield the files of the databases our rows are in, where they are files of this machine."""
    for alias in sorted({place.alias for place in tables()}):
        name = str(connections[alias].settings_dict["NAME"])
        if connections[alias].vendor == "sqlite" and Path(name).is_file():
            yield DatabaseFile(alias, Path(name))


class TablePlace:
    """One table of one database."""

    def __init__(self, model: type[Model], alias: str) -> None:
        self.alias = alias
        self._model = model
        self.columns = [item for item in model._meta.concrete_fields if _holds_words(item)]
        """The columns that a word fits into. Narrower ones are read and not planted."""

    @property
    def name(self) -> str:
        """The table's name, and the database's where it is not the usual one."""
        where = "" if self.alias == "default" else f" ({self.alias})"
        return f"table {self._model._meta.db_table}{where}"

    def pieces(self) -> Iterator[bytes]:
        """Yield row after row."""
        connection = connections[self.alias]
        table = connection.ops.quote_name(self._model._meta.db_table)
        # Within a transaction a server's cursor lasts; else a large table would come as a whole.
        with transaction.atomic(using=self.alias), connection.chunked_cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - the name of a table of ours
            while rows := cursor.fetchmany(_PAGE):
                yield from (b"\n".join(map(_as_bytes, row)) for row in rows)

    @contextmanager
    def planted(self) -> Iterator[Collection[bytes]]:
        """Insert a row with a word in every column that holds one; roll it back."""
        connection = connections[self.alias]
        words = {column.name: new_word() for column in self.columns}
        with (
            connection.constraint_checks_disabled(),
            transaction.atomic(using=self.alias),
        ):
            self._insert(words)
            try:
                yield list(words.values())
            finally:
                transaction.set_rollback(True, using=self.alias)

    def _insert(self, words: dict[str, bytes]) -> None:
        connection = connections[self.alias]
        quote = connection.ops.quote_name
        # The database numbers such rows by itself.
        fields = [
            item for item in self._model._meta.concrete_fields
            if not isinstance(item, models.AutoField) and not _is_generated(item)
        ]  # fmt: skip
        values = [
            item.get_db_prep_save(_value(item, words.get(item.name)), connection) for item in fields
        ]
        names = ", ".join(quote(item.column or item.attname) for item in fields)
        marks = ", ".join(["%s"] * len(fields))
        table = quote(self._model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608


class DatabaseFile:
    """The file of an SQLite database with all its pages, also the free ones, and its journals.

    Nothing is planted here: what is rolled back need not reach the file, and what is committed
    and deleted may stay in a free page. Whoever looks has to know a word that stands in a row.
    """

    def __init__(self, alias: str, path: Path) -> None:
        self.alias = alias
        self._path = path

    @property
    def name(self) -> str:
        """The alias of the database."""
        return f"database file ({self.alias})"

    def pieces(self) -> Iterator[bytes]:
        """Yield every page of the file and of the journals beside it."""
        for suffix in ("", "-journal", "-wal"):
            yield from pieces_of_path(self._path.with_name(self._path.name + suffix))


def _aliases(model: type[Model]) -> set[str]:
    key_database = get_settings().vault.key_database
    other = {key_database} if model is WrappingKey and key_database in connections else set()
    return {router.db_for_write(model), *other}


def _holds_words(item: Field[Any, Any]) -> bool:
    if item.is_relation:
        return False
    if isinstance(item, models.CharField):
        return item.max_length is None or item.max_length >= len(new_word())
    return isinstance(item, models.TextField | models.JSONField | models.BinaryField)


def _is_generated(item: Field[Any, Any]) -> bool:
    return bool(getattr(item, "generated", False))


def _value(item: Field[Any, Any], word: bytes | None) -> Any:
    """Return a value the column takes: the word, or the least that it has to hold."""
    if word is not None:
        if isinstance(item, models.BinaryField):
            return word
        return [word.decode()] if isinstance(item, models.JSONField) else word.decode()
    if item.null:
        return None
    while item.is_relation:
        item = item.target_field  # type: ignore[attr-defined]
    return _least(item)


def _least(item: Field[Any, Any]) -> Any:
    if isinstance(item, models.UUIDField):
        return uuid.uuid4()
    if isinstance(item, models.DateTimeField):
        return timezone.now() + _MILLENNIUM
    if isinstance(item, models.BooleanField):
        return False
    if isinstance(item, models.PositiveSmallIntegerField | models.SmallIntegerField):
        return _FAR_SMALL
    if isinstance(item, models.IntegerField):
        return _FAR
    return ""


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return str(value).encode()
