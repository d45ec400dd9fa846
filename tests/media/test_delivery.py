"""A photo goes out whole or in the part that was asked for, and into no cache."""

from __future__ import annotations

import datetime as dt
import os
import uuid

import pytest
from django.test import RequestFactory
from django.utils import timezone

from django_hili.exceptions import StorageError
from django_hili.media import vault
from django_hili.media.delivery import photo_response
from django_hili.media.validators import etag_of
from django_hili.models import Media, MediaKind

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = os.urandom(200_000)


@pytest.fixture
def media():
    now = timezone.now()
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + dt.timedelta(hours=1))
    media.content_type = "image/png"
    vault.write(media, CONTENT)
    vault.publish(media, job_id=uuid.uuid4())
    return Media.objects.get(pk=media.pk)


def got(media, headers=None, method="get", **options):
    request = getattr(RequestFactory(), method)("/", headers=headers or {})
    return photo_response(media, request=request, **options)


def content_of(response) -> bytes:
    return b"".join(response.streaming_content)


def test_without_a_range_all_of_it_comes(media):
    response = got(media)
    assert (response.status_code, response["Content-Length"]) == (200, "200000")
    assert response["Accept-Ranges"] == "bytes"
    assert content_of(response) == CONTENT


@pytest.mark.parametrize(
    ("asked", "said", "span"),
    [
        ("bytes=0-0", "bytes 0-0/200000", (0, 1)),
        ("bytes=65530-65540", "bytes 65530-65540/200000", (65530, 65541)),
        ("bytes=131072-", "bytes 131072-199999/200000", (131072, None)),
        ("bytes=-5", "bytes 199995-199999/200000", (199995, None)),
        ("bytes=-999999", "bytes 0-199999/200000", (0, None)),
        ("bytes=10-999999999", "bytes 10-199999/200000", (10, None)),
        ("Bytes = 1 - 2", "bytes 1-2/200000", (1, 3)),
    ],
)
def test_a_range_gives_that_part(media, asked, said, span):
    response = got(media, {"Range": asked})
    assert (response.status_code, response["Content-Range"]) == (206, said)
    part = content_of(response)
    assert part == CONTENT[span[0] : span[1]]
    assert response["Content-Length"] == str(len(part))


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=-", "bytes=1-2,5-6", "pages=1-2", "bytes=a-b", "nonsense"]
)
def test_a_range_nobody_can_read_counts_as_none(media, asked):
    assert got(media, {"Range": asked}).status_code == 200


@pytest.mark.parametrize("asked", ["bytes=200000-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(media, asked):
    response = got(media, {"Range": asked})
    assert (response.status_code, response["Content-Range"]) == (416, "bytes */200000")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("{etag}", 206),
        ('"x"', 200),
        ("W/{etag}", 200),  # may differ in its bytes
        ("{etag}, {etag}", 200),
        ("Sun, 29 Nov 2026 12:00:00 GMT", 200),
    ],
)
def test_a_part_is_only_added_to_the_very_same_photo(media, told, status):
    told = told.format(etag=got(media)["ETag"])
    response = got(media, {"Range": "bytes=0-1", "If-Range": told})
    assert response.status_code == status


def test_head_says_what_get_would_send_and_sends_nothing(media):
    for headers in ({}, {"Range": "bytes=0-1"}):
        whole, response = got(media), got(media, headers, method="head")
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers == whole.headers


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize(
    ("known", "status"),
    [("{etag}", 304), ("W/{etag}", 304), ('"x", {etag}', 304), ("*", 304), ('"x"', 200), ("", 200)],
)
def test_who_has_the_photo_gets_none_of_it(media, known, status, method):
    delivered = []
    known = known.format(etag=got(media)["ETag"])
    headers = {"If-None-Match": known} | ({"Range": "bytes=0-1"} if status == 304 else {})
    response = got(media, headers, method, on_delivered=delivered.append)
    assert response.status_code == status
    assert response["Cache-Control"] == "private, no-store"
    assert delivered == []
    if status == 304:
        assert response.content == b""
        assert response["ETag"] == got(media)["ETag"]


def test_a_validator_stands_for_one_photo_and_does_not_tell_where_it_lies(media):
    etag = got(media)["ETag"]
    assert etag == got(media)["ETag"]
    assert (etag[0], etag[-1]) == ('"', '"')
    assert media.pk.hex not in etag
    other = Media.objects.get(pk=media.pk)
    other.pk = uuid.uuid4()
    assert etag_of(other.pk.bytes) != etag


@pytest.mark.clause("HILI-3.3", "AIART-3.3a", "PIXEL-5.3", "MIAO-6.3")
def test_no_cache_may_keep_it_and_no_address_is_in_it(media):
    for headers in ({}, {"Range": "bytes=0-1"}):
        response = got(media, headers)
        assert response["Cache-Control"] == "private, no-store"
        assert media.name not in str(response.headers)


def test_only_a_photo_handed_out_whole_counts_as_delivered(media):
    delivered = []
    content_of(got(media, {"Range": "bytes=0-1"}, on_delivered=delivered.append))
    half = iter(got(media, on_delivered=delivered.append).streaming_content)
    next(half)
    assert delivered == []
    content_of(got(media, on_delivered=delivered.append))
    assert delivered == [media]


def test_a_photo_that_is_gone_is_an_error_before_the_first_byte(media):
    Media.objects.filter(pk=media.pk).update(expires_at=timezone.now())
    with pytest.raises(StorageError):
        got(media)
