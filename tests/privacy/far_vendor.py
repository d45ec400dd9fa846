"""A company that takes photos away, and keeps books that no crash of ours can spoil.

Its books and copies lie outside the site's folder. A line is appended in one write before its
answer leaves, so a process that is killed leaves them true. What our ledger says at that moment
it reads from the database's file, past the app.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.remote import (
    Barrier,
    Charging,
    RemoteProvider,
    RemoteStage,
    RemoteState,
    Sink,
    Upload,
)
from django_hili.vocabulary import Capabilities, Enhancement, Operation

KEPT = dt.timedelta(hours=1)
"""How long it keeps a copy, by its own word."""
SECRETS = ("CANARYVENDORURL", "CANARYTOKEN", "CANARYSECRET", "CANARYHANDLE")
"""Address, token and secret of the account, and what every handle begins with."""
OPTIONS = {"url": f"https://{SECRETS[0]}.example/", "token": SECRETS[1], "secret": SECRETS[2]}
_CREDITS = 1000


class Far:
    """The vendor as it is now, and where it keeps what it knows."""

    folder: ClassVar[Path]
    database: ClassVar[Path]
    clock: ClassVar[Any]
    mood: ClassVar[str] = "well"
    """What goes wrong with it in this step, see `MOODS`."""
    region: ClassVar[str] = "DE"
    charging: ClassVar[Charging] = Charging.UPLOAD
    is_exclusive: ClassVar[bool] = True
    is_sloppy: ClassVar[bool] = False
    """Whether it goes on serving what it has promised to delete."""
    jobs: ClassVar[dict[str, str]] = {}
    """The job of each photo there is, by the photo's fingerprint."""

    @classmethod
    def open_anew(cls) -> None:
        """Begin with empty books."""
        cls.folder.mkdir(exist_ok=True)
        for path in cls.folder.iterdir():
            path.unlink()
        cls.jobs, cls.mood = {}, "well"

    @classmethod
    def books(cls) -> list[dict[str, Any]]:
        """Return every line of the books, the oldest first."""
        path = cls.folder / "books.jsonl"
        return [json.loads(line) for line in path.open()] if path.exists() else []

    @classmethod
    def write(cls, event: str, **facts: Any) -> None:
        """Append one line, in one write."""
        line = json.dumps({"event": event, "at": cls.clock.now.isoformat(), **facts}) + "\n"
        handle = os.open(cls.folder / "books.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line.encode())
        os.close(handle)

    @classmethod
    def sees(cls, event: str, fingerprint: str, **facts: Any) -> None:
        """Write down what arrives, and the rows that our ledger has for it at this moment."""
        job = cls.jobs.get(fingerprint, "")
        with sqlite3.connect(cls.database, timeout=20) as opened:
            sends = opened.execute(
                "SELECT id, state FROM django_hili_disclosure"
                " WHERE job_id = ? AND state IN ('intended', 'passed')",
                [job.replace("-", "")],
            ).fetchall()
        opened.close()
        cls.write(event, job=job, sends=sends, fingerprint=fingerprint, **facts)

    @classmethod
    def accepted(cls) -> dict[str, dict[str, Any]]:
        """Return what it has taken, by its handle."""
        return {line["handle"]: line for line in cls.books() if line["event"] == "accepted"}

    @classmethod
    def has(cls, line: Mapping[str, Any]) -> bool:
        """Whether it would still serve what it took in that line."""
        return cls.is_sloppy or cls.clock.now < dt.datetime.fromisoformat(line["at"]) + KEPT


MOODS = {
    "well": 6, "refuses": 1, "loses the answer": 2, "loses the request": 2, "breaks": 1,
    "is slow": 2, "fails": 1, "forgets": 1, "makes rubbish": 1, "is down": 1, "cuts": 1,
}  # fmt: skip
"""What it may be like, and how often."""
PATIENT = {"is slow", "is down", "cuts"}
"""Moods in which a worker would wait for longer than a step lasts."""


class FarProvider(RemoteProvider):
    """Speaks to it without a network."""

    handles_per_call = 50

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        self.is_exclusive = Far.is_exclusive

    @property
    def capabilities(self) -> Capabilities:
        """Repair, in another company's hands."""
        return Capabilities(
            operations={Operation("repair"): None}, credits_per_send=1, leaves_server=True,
            region=Far.region, copy_kept_seconds=int(KEPT.total_seconds()),
        )  # fmt: skip

    @property
    def charging(self) -> Charging:
        """As this life has it."""
        return Far.charging

    def secrets(self) -> tuple[str, ...]:
        """What must stand nowhere."""
        return tuple(self.options.values())

    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Take a photo, unless it is in the mood for something else."""
        content = b"".join([piece async for piece in upload.pieces()])
        fingerprint = hashlib.sha256(content).hexdigest()
        Far.sees("began", fingerprint)
        if Far.mood == "refuses":
            raise ProviderError(Code.PROVIDER_BUSY, retryable=True, charged=False)
        await barrier()
        if Far.mood == "loses the request":
            Far.sees("lost", fingerprint)
            raise ProviderError(Code.SEND_UNKNOWN, vendor_words="no answer")
        handle = SECRETS[3] + secrets.token_hex(10)
        (Far.folder / handle).write_bytes(content)
        Far.sees("accepted", fingerprint, handle=handle)
        if Far.mood == "loses the answer":
            raise ProviderError(Code.SEND_UNKNOWN, vendor_words="no answer")
        if Far.mood == "breaks":
            raise RuntimeError(f"{OPTIONS} {handle}")
        return handle

    async def states(self, handles: Sequence[str]) -> Mapping[str, RemoteState | ProviderError]:
        """Say how far photos are, and write down who asked about what."""
        if Far.mood == "is down":
            raise ProviderError(Code.PROVIDER_DOWN, retryable=True)
        found = {handle: RemoteState(_stage(handle)) for handle in handles}
        for handle, state in found.items():
            Far.write("asked", handle=handle, stage=state.stage.value)
        return found

    async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
        """Give the result in two pieces."""
        from tests.privacy.histories_site import made_of

        result = made_of((Far.folder / handle).read_bytes())
        if Far.mood == "makes rubbish":
            result = bytes(len(result))
        await sink(result[:50])
        if Far.mood == "cuts":
            raise ProviderError(Code.PROVIDER_DOWN, retryable=True)
        await sink(result[50:])
        Far.write("fetched", handle=handle)
        return len(result)

    async def credits(self) -> int:
        """Count what it took."""
        if Far.mood == "is down":
            raise ProviderError(Code.PROVIDER_DOWN, retryable=True)
        if Far.charging is Charging.UPLOAD:
            return _CREDITS - len(Far.accepted())
        return _CREDITS - len(
            {line["handle"] for line in Far.books() if line["event"] == "fetched"}
        )


def _stage(handle: str) -> RemoteStage:
    taken = Far.accepted().get(handle)
    if taken is None or Far.mood == "forgets" or not Far.has(taken):
        return RemoteStage.GONE
    return {"is slow": RemoteStage.PROCESSING, "fails": RemoteStage.FAILED}.get(
        Far.mood, RemoteStage.DONE
    )
