"""Retention and deletion switched off: C16 to C18, and C20 to C23."""

from __future__ import annotations

import atexit
import dataclasses
import datetime as dt
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.ablation.consent import GATE
from tests.ablation.switching import gives, replace, switch

ERASE = "django_hili.privacy.erasure.erase"
AGES = dt.timedelta(days=36500)


def _folder_until_the_end() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hili-without-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@switch("C16", "a job ends and its source stays")
def _source_stays() -> None:
    def but_for_ends(original: Any, media: Any, cause: Any, now: Any) -> int:
        return 0 if cause in {"job_ended", "delivered"} else int(original(media, cause, now))

    def much_later(original: Any, uploaded_at: dt.datetime, **_: Any) -> dt.datetime:
        return uploaded_at + AGES

    replace(f"{ERASE}:condemn", but_for_ends)
    replace("django_hili.privacy.erasure.retention:source_deadline", much_later)


@switch("C17", "nothing is ever past its deadline, and deadlines move without a word")
def _no_deadlines() -> None:
    def never(original: Any, self: Any, now: Any) -> Any:
        return self.none()

    def not_for_longer(original: Any, question: Any) -> Any:
        return [need for need in original(question) if need[0] != "longer"]

    def any_value(original: Any, profile: Any, values: Any, *, where: str) -> Any:
        return dataclasses.replace(profile, **{"result_kept": None, **values})

    replace("django_hili.models.media:MediaQuerySet.expired", never)
    deadlines = "django_hili.privacy.erasure.retention"
    replace(f"{deadlines}:result_deadline", lambda original, at, **_: at + AGES)
    replace("django_hili.privacy.rights.cases:drop_expired", gives(0))
    replace(f"{GATE}:_needed", not_for_longer)
    replace("django_hili.privacy.consent.asking:ask_longer", gives())
    replace("django_hili.profiles.profile:tighten", any_value)


@switch("C18", "a recogniser of faces lies in the path and is loaded with everything")
def _biometrics() -> None:
    folder = _folder_until_the_end()
    (folder / "dlib.py").write_text("", encoding="utf-8")
    (folder / "sitecustomize.py").write_text("import dlib\n", encoding="utf-8")

    def with_recogniser(original: Any, **extra: str) -> dict[str, str]:
        found = original(**extra)
        return {**found, "PYTHONPATH": os.pathsep.join([str(folder), found["PYTHONPATH"]])}

    def with_landmarks(original: Any, *args: Any, **kwargs: Any) -> Any:
        from django_hili.engine.pipeline import Step

        made = original(*args, **kwargs)
        found = Step("face", "landmarks:68", 1.0)
        return dataclasses.replace(made, steps=(*made.steps, found))

    replace("tests.processes:environment", with_recogniser)
    replace("django_hili.engine.pipeline:enhance", with_landmarks)


@switch("C20", "uploads lie open beside their spool, names and addresses are logged")
def _shadow_copies() -> None:
    folder = _folder_until_the_end()

    def open_beside(original: Any, self: Any, piece: bytes) -> None:
        original(self, piece)
        self._file.write(piece)
        with tempfile.NamedTemporaryFile(dir=folder_of_uploads() or folder, delete=False) as open_:
            open_.write(piece)

    def folder_of_uploads() -> Any:
        from django.conf import settings

        return settings.FILE_UPLOAD_TEMP_DIR

    def logged(original: Any, self: Any, field_name: str, file_name: str, *args: Any) -> None:
        logging.getLogger("django_hili").warning("an upload: %s", file_name)
        original(self, field_name, file_name, *args)

    replace("django_hili.media.spool:SealedSpool.add", open_beside)
    replace("django_hili.media.uploads:SealedUploadHandler.new_file", logged)
    replace("django_hili.providers.http:_silence", gives(True))


@switch("C21", "a key lives as long as its object, lies anywhere, and no restored copy is noticed")
def _backups() -> None:
    def to_the_end(original: Any, deadline: dt.datetime, now: dt.datetime) -> dt.datetime:
        from django_hili.media import keys

        end = deadline.astimezone(dt.UTC)
        past = (end - keys._EPOCH) % keys.GRANULE
        return max(end + (keys.GRANULE - past if past else dt.timedelta(0)), keys._next(now))

    replace("django_hili.media.keys:bucket", to_the_end)
    replace("django_hili.media.keys:destroy_past_keys", gives(0))
    replace("django_hili.media.places:misplaced", gives([]))
    replace("django_hili.media.sink:refuse_if_behind", gives())


@switch("C22", "what is condemned keeps its key and its file")
def _erasure() -> None:
    def in_name_only(original: Any, media: Any, cause: Any, now: dt.datetime) -> int:
        return int(media.filter(state__in=["writing", "live"]).count())

    replace(f"{ERASE}:condemn", in_name_only)
    replace(f"{ERASE}:erase_files", lambda original, alias, names: list(names))
    replace(f"{ERASE}:_leave_receipts", gives())


@switch("C23", "winding down closes nothing, tells nobody and erases nothing")
def _wind_down() -> None:
    from django_hili.privacy.erasure.winddown import WindDownReport

    nothing = WindDownReport(
        is_intake_closed=False, messages=0, photos=0, jobs=0, keys=0, remaining=0
    )
    replace("django_hili.privacy.erasure.winddown:wind_down", gives(nothing))
    replace("django_hili.privacy.erasure.winddown:refuse_if_ended", gives())
