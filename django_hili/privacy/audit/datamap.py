"""Where data lies: every field of every table and every other place, with its class and its end.

Owns the map. A field that is not in it fails the build, so does a module that reaches a storage, a
cache, a queue or a temporary file the map does not know of; what an export holds is read from it.
Whatever points at a person counts as personal, a random reference too.
Clauses C09: HILI-1.6n, AIART-1.2.2n, AIART-4.2.2, PIXEL-1.1.2.5, PIXEL-4.1b, MIAO-2.0.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.apps import apps
from django.db.models import Model


class DataClass(StrEnum):
    """How much a field or place says about a person."""

    PHOTO = "photo"
    """The picture itself: sensitive."""
    PERSONAL = "personal"
    """Says something about somebody."""
    POINTER = "pointer"
    """Leads to a person or their photo without saying anything; classed as personal."""
    LOCKED = "locked"
    """Opens something, at our side or a vendor's. Never exported, never shown."""
    PLAIN = "plain"
    """Says nothing about anybody once the pointers beside it are gone."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one table."""

    data_class: DataClass
    is_exported: bool
    """Whether the person gets it in a copy of their data."""


@dataclass(frozen=True, slots=True)
class Table:
    """One model."""

    purpose: str
    until: str
    """The rule of its deadline."""
    erased_by: str
    """What takes its rows away."""
    subject: str = ""
    """How a row is found by the person's reference: a lookup; empty where no row is a person's."""
    fields: Mapping[str, Field] = field(default_factory=dict)

    @property
    def exported(self) -> tuple[str, ...]:
        """The names of the fields a person gets."""
        return tuple(name for name, entry in self.fields.items() if entry.is_exported)


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere outside the tables where data is, or must never be."""

    name: str
    holds: str
    data_class: DataClass
    rule: str
    modules: tuple[str, ...] = ()
    """Which modules of ours reach it, where that is by one of `REACHES`."""


def _fields(*, given: str = "", plain: str = "", pointer: str = "", told: str = "",
            personal: str = "", locked: str = "") -> dict[str, Field]:  # fmt: skip
    """Read lists of names: `given` and `told` go into an export, the rest does not."""
    lists = (
        (given, DataClass.PERSONAL, True), (told, DataClass.PLAIN, True),
        (personal, DataClass.PERSONAL, False), (pointer, DataClass.POINTER, False),
        (locked, DataClass.LOCKED, False), (plain, DataClass.PLAIN, False),
    )  # fmt: skip
    return {
        name: Field(data_class, is_exported)
        for names, data_class, is_exported in lists
        for name in names.split()
    }


TABLES: Final[Mapping[str, Table]] = {
    "photojob": Table(
        purpose="what shall be done to a photo, and how far it is",
        until="JOB_KEPT after the job ended",
        erased_by="sweep",
        subject="subject_ref",
        fields=_fields(
            told="id operations image_type scale background dpi result_format preset provider "
            "status held_reason code warnings steps basis created_at started_at ended_at "
            "expires_at policy_number result_kept source_mark",
            given="basis_reason",
            pointer="subject_ref requested_by_ref target_model target_pk target_field batch "
            "again_of",
            plain="stage percent token attempts lease_owner lease_until due_at",
        ),
    ),
    "photobatch": Table(
        purpose="which jobs were made together",
        until="JOB_KEPT after its last job",
        erased_by="sweep",
        subject="requested_by_ref",
        fields=_fields(told="id created_at expires_at", pointer="requested_by_ref"),
    ),
    "media": Table(
        purpose="where a photo lies, and until when",
        until="its own deadline",
        erased_by="erase",
        subject="job__subject_ref",
        fields=_fields(
            told="id kind content_type size width height created_at expires_at",
            pointer="job parent name",
            locked="wrapped_key",
            plain="state storage format_number key_bucket missed_at condemned_at cause",
        ),
    ),
    "disclosure": Table(
        purpose="who got a photo, when, on what ground, and what it cost",
        until="three years; its pointers go with the subject",
        erased_by="sweep",
        subject="job__subject_ref",
        fields=_fields(
            told="id provider region processor_policy items operations basis state size "
            "intended_at answered_at vendor_due_at outcome outcome_at",
            pointer="job requested_by_ref",
            locked="handle",
            plain="token charged vendor_words passed_at probes expires_at",
        ),
    ),
    "receipt": Table(
        purpose="proof of what happened, in one chain",
        until="three years at least",
        erased_by="nobody: it holds no personal data",
        fields=_fields(pointer="object_id", plain="number at kind facts previous hash"),
    ),
    "chain": Table(
        purpose="the newest receipt",
        until="never: it says nothing about anybody",
        erased_by="nobody",
        fields=_fields(plain="id origin number hash replay_from"),
    ),
    "erasure": Table(
        purpose="what a store of the site still has to erase",
        until="the store holds nothing any more, or is gone itself and given up",
        erased_by="stores",
        subject="subject_ref",
        fields=_fields(
            pointer="subject_ref user_key job_ref target_model target_pk",
            plain="id store cause decided_at due_at tries",
        ),
    ),
    "wrappingkey": Table(
        purpose="opens the keys of photos for an hour's worth of deadlines",
        until="its own hour",
        erased_by="sweep",
        fields=_fields(locked="key", plain="not_after"),
    ),
    "subject": Table(
        purpose="the one link between our rows and a user of the site",
        until="the account is cancelled or the user is gone; the bare reference until no row names "
        "it, and JOB_KEPT",
        erased_by="cancel",
        subject="ref",
        fields=_fields(
            told="created_at", given="age_band region", pointer="ref user_key", plain="revision"
        ),
    ),
    "consent": Table(
        purpose="what a person agreed to or took back, and what they had been shown",
        until="three years after it was replaced or taken back, or said last by somebody who is "
        "gone since; a grant that stands until then; its pointers go with the subject",
        erased_by="sweep",
        subject="subject_ref",
        fields=_fields(
            told="purpose processor action given_by policy notice_hash at",
            pointer="subject_ref job_id",
            plain="id",
        ),
    ),
    "policyversion": Table(
        purpose="what this site promised, and from when on",
        until="never: it says nothing about anybody",
        erased_by="nobody",
        fields=_fields(
            plain="number profile parameters controller contact home_region recipients notices "
            "texts authoritative_language text_hash change_kinds reduces_rights updated_at "
            "effective_at",
        ),
    ),
    "case": Table(
        purpose="what a person asked for, by when it is answered and how it ended",
        until="90 days after its answer",
        erased_by="sweep",
        subject="subject_ref",
        fields=_fields(
            told="id kind state received_at verified_at due_at extension closed_at outcome ground "
            "expires_at",
            given="sealed_request sealed_answer",
            pointer="subject_ref",
            locked="wrapped_key",
            plain="document scope scope_from scope_until key_bucket",
        ),
    ),
    "incident": Table(
        purpose="what is known of an incident, and whether people were told",
        until="with its case",
        erased_by="sweep",
        fields=_fields(
            plain="case severity is_drill provider began_at ended_at discovered_at situation "
            "measures advice remedies people_due_at authority_due_at affected people_told_at "
            "announced_at authority_told_at",
        ),
    ),
    "message": Table(
        purpose="who has to be told of an incident or of the end of the service",
        until="30 days; its user key until its delivery, or the end of the account",
        erased_by="sweep",
        fields=_fields(
            pointer="user_key subject_ref",
            plain="id kind incident state tries due_at delivered_at expires_at",
        ),
    ),
    "handover": Table(
        purpose="a link by which somebody else may take a person's copy, once",
        until="a day; it opens nothing after its use",
        erased_by="sweep",
        subject="subject_ref",
        fields=_fields(
            told="id created_at expires_at used_at", pointer="subject_ref", locked="token_hash"
        ),
    ),
    "idempotencykey": Table(
        purpose="which requests a client may send again without being charged again",
        until="a day",
        erased_by="sweep",
        subject="subject_ref",
        fields=_fields(
            told="created_at answered_at expires_at",
            pointer="subject_ref job_id batch_id",
            locked="key_hash fingerprint",
            plain="id taken refused token lease_until",
        ),
    ),
    "closure": Table(
        purpose="whether the service has been ended",
        until="never: it says nothing about anybody",
        erased_by="nobody",
        fields=_fields(plain="name began_at finished_at"),
    ),
    "heartbeat": Table(
        purpose="when a worker last swept",
        until="never: it says nothing about anybody",
        erased_by="nobody",
        fields=_fields(plain="name began_at finished_at looked_at"),
    ),
    "providerstate": Table(
        purpose="whether a provider can be asked, and its credit count",
        until="never: it says nothing about anybody",
        erased_by="nobody",
        fields=_fields(
            plain="alias is_paused breaker failures ask_again_at slots credits credits_at "
            "base_credits base_at is_shared is_low"
        ),
    ),
}
"""By the model's name in lower case. The order of the fields is the order in an export."""

PLACES: Final[tuple[Place, ...]] = (
    Place("request body", "a photo on its way in", DataClass.PHOTO,
          "read under a cap after the gate; sealed or in memory; gone with the request",
          ("media.spool", "media.uploads", "privacy.audit.residue.files")),
    Place("photo storage", "sources and results", DataClass.PHOTO,
          "a row with a deadline before the first byte; sealed under a key of its own",
          ("media.storages", "privacy.erasure.erase", "privacy.erasure.orphans",
           "privacy.audit.residue.files", "jobs.doctor.photos")),
    Place("versions and snapshots of the storage", "sealed photos", DataClass.PHOTO,
          "open nothing once the key is gone; removed where the storage has a method for it"),
    Place("metadata in a photo", "place, device, time, thumbnail", DataClass.PERSONAL,
          "dropped before anything is stored or sent"),
    Place("memory of the engine", "pixels", DataClass.PHOTO, "one call in one process; no file"),
    Place("key store", "wrapping keys", DataClass.LOCKED,
          "outside database and storage; one a granule, destroyed when its time is over"),
    Place("queue", "nothing", DataClass.PLAIN, "a task has no argument and returns nothing",
          ("queue",)),
    Place("cache and sessions", "nothing", DataClass.PLAIN,
          "not used by this app, but for the trial that looks for leftovers there",
          ("privacy.audit.residue.elsewhere",)),
    Place("cookies", "nothing", DataClass.PLAIN, "this app sets none"),
    Place("HTTP caches", "nothing", DataClass.PLAIN, "photos are sent private, no-store"),
    Place("log", "random job ids and codes", DataClass.POINTER,
          "no address, key, file name or value; the HTTP client's own lines are held back"),
    Place("admin log", "random ids", DataClass.POINTER, "labels are ids"),
    Place("remote provider", "photo, result, preview", DataClass.PHOTO,
          "a row in the ledger before the send; the vendor's hour is counted and asked after"),
    Place("backups of database and storage", "all rows; sealed photos", DataClass.PHOTO,
          "unreadable once the keys' lease is over; erased again after a restore"),
    Place("write-ahead log, replicas and free pages of the database", "all rows", DataClass.LOCKED,
          "the database's own; a wrapped key in them opens nothing after its hour"),
    Place("thumbnails, history and archives of the site", "copies", DataClass.PHOTO,
          "the site's own: each registered as a store, which every erasure reaches"),
    Place("receipt sink", "receipts", DataClass.PLAIN, "no personal data; outside the database"),
)  # fmt: skip


REACHES: Final[Mapping[str, str]] = {
    "tempfile": "request body",
    "django.core.files.storage": "photo storage",
    "django.core.cache": "cache and sessions",
    "django.contrib.sessions": "cache and sessions",
    "django_q": "queue",
    "redis": "queue",
}
"""What a module has to import to reach a place, and which place that is."""
_PACKAGE: Final = Path(__file__).resolve().parents[2]


def table_of(model: str) -> Table:
    """Return the map of a model by its lower-case name. Raises `KeyError` where it has none."""
    return TABLES[model]


def unmapped() -> list[str]:
    """Return every field of ours the map lacks, and every name in the map that is no field."""
    found: list[str] = []
    models = {model._meta.model_name or "": model for model in _models()}
    for name, model in models.items():
        known = TABLES[name].fields if name in TABLES else {}
        actual = {item.name for item in model._meta.concrete_fields}
        found += [f"{name}.{item}" for item in sorted(actual ^ set(known))]
    return found + sorted(set(TABLES) - set(models))


def unmapped_places(package: Path = _PACKAGE) -> list[str]:
    """Return every module that reaches a place the map does not know it in, and the reverse.

    Storages, caches, queues and temporary files are reached by importing one of `REACHES`; the
    sandbox stands for somebody else's server and is not walked.
    """
    known = {(place.name, module) for place in PLACES for module in place.modules}
    found = {
        (REACHES[reached], _module_name(path, package))
        for path in package.rglob("*.py")
        if "sandbox" not in path.relative_to(package).parts
        for reached in _reached_by(path)
    }
    return sorted(f"{place}: {module}" for place, module in known ^ found)


def _module_name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts)


def _reached_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # `from django.core import cache` reaches it as well.
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        for reached in REACHES:
            if any(name == reached or name.startswith(f"{reached}.") for name in names):
                yield reached


def as_markdown() -> Iterator[str]:
    """Yield the map as a page: what a table holds, until when, and each field by its class."""
    yield "# The data map"
    yield ""
    yield "Every table of django-hili and every other place where a photo or a word about somebody"
    yield "is, passes through, or must never be. Written out of"
    yield "`django_hili/privacy/audit/datamap.py`; a field that is not there fails the tests."
    yield "*In a copy* is what a person gets of it."
    yield ""
    yield "## Tables"
    for name, table in TABLES.items():
        yield ""
        yield f"### {name}"
        yield f"{_sentence(table.purpose)} Kept until: {table.until}. Ended by: {table.erased_by}."
        yield ""
        yield "| class | fields | in a copy |"
        yield "| --- | --- | --- |"
        yield from _rows(table)
    yield ""
    yield "## Other places"
    yield ""
    yield "| place | holds | class | rule |"
    yield "| --- | --- | --- | --- |"
    for place in PLACES:
        yield f"| {place.name} | {place.holds} | {place.data_class} | {place.rule} |"


def _rows(table: Table) -> Iterator[str]:
    for data_class in DataClass:
        for is_exported in (True, False):
            names = [
                f"`{name}`"
                for name, entry in table.fields.items()
                if (entry.data_class, entry.is_exported) == (data_class, is_exported)
            ]
            if names:
                yield f"| {data_class} | {' '.join(names)} | {'yes' if is_exported else 'no'} |"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _models() -> Iterable[type[Model]]:
    return apps.get_app_config("django_hili").get_models()
