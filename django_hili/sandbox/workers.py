"""Own the threads that work on pictures; must not know how a picture is worked on.

A picture is claimed by a conditional UPDATE, so several processes of one site may each have a
pool without working twice.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable

from django.conf import settings
from django.db import close_old_connections

from django_hili.sandbox import contract, state, storage
from django_hili.sandbox.models import Picture
from django_hili.sandbox.processing import ProcessingError, Work, carry_out

_logger = logging.getLogger(__name__)
_THREADS = 2


class Pool:
    """A few threads and a queue; it starts with the first picture."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, mdfs: Iterable[str]) -> None:
        """Queue pictures; the threads start with the first."""
        self._start()
        for mdf in mdfs:
            self._queue.put(mdf)

    def adopt(self, *, accepted_before: float) -> None:
        """Queue what nobody works on any more, because its process is gone.

        Whoever claimed a picture before this moment counts as gone. If it is not, the picture is
        worked on twice and finished once.
        """
        old = Picture.objects.filter(code=contract.PROCESSING, accepted_at__lt=accepted_before)
        old.filter(claimed_at__lt=accepted_before).update(claimed_at=None)
        waiting = old.filter(claimed_at=None).order_by("accepted_at")
        mdfs = list(waiting.values_list("mdf", flat=True))
        if mdfs:
            self.submit(mdfs)

    def _start(self) -> None:
        with self._lock:
            if self._threads:
                return
            wanted = getattr(settings, "HILI_SANDBOX", {}).get("WORKERS", _THREADS)
            for number in range(wanted):
                thread = threading.Thread(
                    target=self._work, name=f"hili-sandbox-{number}", daemon=True
                )
                thread.start()
                self._threads.append(thread)

    def _work(self) -> None:
        while True:
            mdf = self._queue.get()
            try:
                work_on(mdf)
            except Exception:
                # A thread that dies would leave every later picture waiting for ever.
                _logger.exception("the sandbox could not finish a picture")
            finally:
                close_old_connections()


def work_on(mdf: str) -> bool:
    """Claim one picture and carry it to done or failed; False where somebody else has it."""
    now = state.snapshot().now()
    with state.writing():
        waiting = Picture.objects.filter(pk=mdf, code=contract.PROCESSING, claimed_at=None)
        if not waiting.update(claimed_at=now):
            return False
        picture = Picture.objects.get(pk=mdf)
    work = Work(
        source=storage.path_of(mdf, storage.SOURCE),
        operations=tuple(picture.seq.split(",")),
        image_type=picture.image_type,
        rate=picture.rate,
        rgb=picture.rgb,
        dpi=picture.dpi,
        mode=picture.mode,
    )
    try:
        done = carry_out(work, on_stage=lambda stage: _note(mdf, stage=stage))
    except ProcessingError as error:
        _note(mdf, code=contract.FAILED, reason=str(error)[:255])
        return True
    storage.write(mdf, storage.RESULT, done.content)
    lifetime = state.snapshot().behaviour.lifetime_seconds
    finished_at = max(picture.ready_at, state.snapshot().now())
    is_kept = _note(
        mdf,
        code=contract.DONE,
        result_format=done.image_format,
        width=done.width,
        height=done.height,
        size_bytes=len(done.content),
        ready_at=finished_at,
        expires_at=finished_at + lifetime,
    )
    if not is_kept:
        storage.remove(mdf)
    return True


def _note(mdf: str, **columns: object) -> bool:
    """Write progress, unless the picture is already finished or forgotten."""
    with state.writing():
        return bool(Picture.objects.filter(pk=mdf, code=contract.PROCESSING).update(**columns))


pool = Pool()
"""This process's pool."""
