"""What sealing costs: its rate, and 24 MiB up and down against the storage as it is."""

from __future__ import annotations

import datetime as dt
import io
import os
import time
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.test import RequestFactory
from django.test.client import encode_multipart
from django.utils import timezone

import django_hili
from django_hili.media import sealing, vault
from django_hili.media.delivery import photo_response
from django_hili.media.storages import photo_storage
from django_hili.media.uploads import take_uploads
from django_hili.models import Media, MediaKind
from tests import photos
from tests.benchmarks.conftest import compare, seconds

MIB = 1024 * 1024
PHOTO = os.urandom(24 * MIB)
PIECE = 256 * 1024
PIECES = [PHOTO[at : at + PIECE] for at in range(0, len(PHOTO), PIECE)]


def test_the_rate_of_sealing(say):
    key, object_id = sealing.new_key(), uuid.uuid4()
    sealed = b"".join(sealing.seal(PIECES, key=key, object_id=object_id))

    def seal():
        for _ in sealing.seal(PIECES, key=key, object_id=object_id):
            pass

    def unseal():
        size = len(PHOTO)
        pieces = sealing.unseal(
            io.BytesIO(sealed), key=key, object_id=object_id, size=size, start=0, end=size
        )
        for _ in pieces:
            pass

    rates = [24 / seconds(work, rounds=9, clock=time.process_time) for work in (seal, unseal)]
    say("C25", f"sealing {rates[0]:,.0f} MiB/s, opening {rates[1]:,.0f} MiB/s")


@pytest.mark.django_db(transaction=True)
def test_24_mib_into_and_out_of_the_storage(say):
    storage = photo_storage()
    now = timezone.now()
    rows: list[Media] = []

    def ours():
        media = vault.plan(kind=MediaKind.RESULT, now=now, expires_at=now + dt.timedelta(hours=1))
        vault.write_pieces(media, PIECES)
        rows.append(media)

    def plain():
        storage.save(f"plain/{uuid.uuid4().hex}", ContentFile(PHOTO))

    up, limit = compare(ours, plain, rounds=9, clock=time.process_time)
    media = rows[0]
    media.save(force_insert=True)
    vault.publish(media, job_id=uuid.uuid4())
    name = storage.save("plain/one", ContentFile(PHOTO))

    def read():
        for _ in vault.stream(media):
            pass

    def read_plain():
        with storage.open(name, "rb") as opened:
            while opened.read(PIECE):
                pass

    down, down_limit = compare(read, read_plain, rounds=9, clock=time.process_time)
    say(
        "C25",
        f"24 MiB into the storage: {up / limit - 1:+.0%} ({(up - limit) * 1000:+.1f} ms), out of "
        f"it: {down / down_limit - 1:+.0%} ({(down - down_limit) * 1000:+.1f} ms) on plain files",
    )


@pytest.mark.django_db(transaction=True)
def test_24_mib_uploaded_and_downloaded(say, settings):
    """A whole request to a job's row and back, with all of it sealed and with none of it."""
    photo = photos.png(3909, 3909)
    assert abs(len(photo) - 24 * MIB) < MIB
    made: list[Media] = []
    sealed_vault = {**settings.HILI, "VAULT": {"ENCRYPT": True}}
    plain_vault = {**settings.HILI, "VAULT": {"ENCRYPT": False}}
    boundary = "bench"
    body = encode_multipart(boundary, {"photo": SimpleUploadedFile("a.png", photo, "image/png")})

    def request():
        return RequestFactory().generic(
            "POST", "/", body, content_type=f"multipart/form-data; boundary={boundary}"
        )

    def post(asked):
        file = asked.FILES["photo"]
        job = django_hili.enhance(file, operations=["repair"], basis="no_personal_data")
        made.append(Media.objects.get(job=job))
        asked.close()

    def ours():
        settings.HILI = sealed_vault
        asked = request()
        take_uploads(asked)
        post(asked)

    def plain():
        settings.HILI = plain_vault
        asked = request()
        asked.upload_handlers = [MemoryFileUploadHandler(asked), TemporaryFileUploadHandler(asked)]
        post(asked)

    up, limit = compare(ours, plain, rounds=7, clock=time.process_time)
    sealed = next(media for media in made if media.format_number)
    bare = next(media for media in made if not media.format_number)

    def fetch(media):
        for _ in photo_response(media).streaming_content:
            pass

    out, out_limit = compare(
        lambda: fetch(sealed), lambda: fetch(bare), rounds=7, clock=time.process_time
    )
    say(
        "C25",
        f"24 MiB posted: {up / limit - 1:+.0%} ({(up - limit) * 1000:+.0f} ms of "
        f"{limit * 1000:.0f}) with everything sealed, fetched: {(out - out_limit) * 1000:+.0f} ms "
        f"of {out_limit * 1000:.0f} (goal +5%, of the processor's time)",
    )
