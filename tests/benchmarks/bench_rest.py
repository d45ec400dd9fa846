"""G9: POST of a checked 2 MB photo. G10: a page of fifty jobs. Both against a bare DRF view."""

from __future__ import annotations

import io
import uuid
from http.cookies import SimpleCookie

import pytest
from django.core.files.storage import storages
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.urls import clear_url_caches, include, path
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_hili.models import Media, PhotoJob
from tests import people, photos
from tests.benchmarks.conftest import compare
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db(transaction=True)
BOUNDARY = "bench"


class BareUpload(APIView):
    """What most people write: parse, save the file, insert a row."""

    permission_classes = [IsAuthenticated]
    parser_classes = [MultiPartParser]

    def post(self, request):
        name = storages["hili"].save("bare/photo", request.FILES["photo"])
        row = Portrait.objects.create(title="bare", image=name)
        return Response({"id": row.pk}, status=201)


class BareList(APIView):
    """Fifty rows through values(), no serializer."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        rows = PhotoJob.objects.order_by("-created_at").values(
            "id", "status", "stage", "percent", "provider", "preset", "operations", "image_type",
            "scale", "background", "dpi", "code", "warnings", "steps", "created_at", "started_at",
            "ended_at",
        )  # fmt: skip
        return Response(list(rows[:50]))


urlpatterns = [
    path("hili/", include("django_hili.urls")),
    path("bare/upload/", BareUpload.as_view()),
    path("bare/list/", BareList.as_view()),
]


@pytest.fixture
def call(anna, settings):
    """Call the site as a WSGI server would, logged in."""
    settings.ROOT_URLCONF = __name__
    clear_url_caches()
    client = Client()
    client.force_login(people.agree(anna))
    cookies = SimpleCookie(client.cookies).output(header="", sep=";")
    handler = WSGIHandler()
    token = "x" * 32

    def request(method: str, address: str, body: bytes = b"") -> int:
        said: list[str] = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": address, "SCRIPT_NAME": "", "QUERY_STRING": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
            "HTTP_COOKIE": f"{cookies}; csrftoken={token}", "HTTP_X_CSRFTOKEN": token,
            "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0),
            "wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        answer = handler(environ, lambda status, headers: said.append(status))
        b"".join(answer)
        answer.close()
        return int(said[0][:3])

    return request


def form(photo: bytes, **words: str) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
        for k, v in words.items()
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    return b"".join((*parts, head, photo, f"\r\n--{BOUNDARY}--\r\n".encode()))


def two_megabytes() -> bytes:
    """A JPEG of 2 MB, as phones make them."""
    image = photos.picture(2600, 1950)
    return min(
        (photos.saved(image, "JPEG", quality=q) for q in (80, 86, 90, 94, 96)),
        key=lambda content: abs(len(content) - 2_000_000),
    )


def test_post_of_a_checked_photo(call, say):
    photo = two_megabytes()
    body = form(photo, operations="sr", scale="2", people_agreed="yes")
    assert call("POST", "/hili/api/v1/jobs/", body) == 202
    assert call("POST", "/bare/upload/", body) == 201
    ours, bare = compare(
        lambda: call("POST", "/hili/api/v1/jobs/", body),
        lambda: call("POST", "/bare/upload/", body),
        rounds=40,
    )
    say(
        "G9",
        f"POST of a checked photo of {len(photo) / 1e6:.1f} MB: {bare / ours:.2f} of the rate of a "
        f"bare view ({ours * 1e3:.1f} against {bare * 1e3:.1f} ms; goal 0.90)",
    )


def test_a_page_of_fifty_jobs(call, say, anna, django_assert_num_queries):
    job = people.enhance(photos.jpeg(), preset="photo-4x", subject=anna)
    columns = {f.attname: getattr(job, f.attname) for f in PhotoJob._meta.concrete_fields}
    columns |= {"status": "done", "steps": [{"operation": "sr", "method": "net", "confidence": 1}]}
    jobs = PhotoJob.objects.bulk_create(
        PhotoJob(**{**columns, "id": uuid.uuid4()}) for _ in range(5000)
    )
    source = Media.objects.get()
    media = {f.attname: getattr(source, f.attname) for f in Media._meta.concrete_fields}
    Media.objects.bulk_create(
        Media(**{**media, "id": uuid.uuid4(), "kind": "result", "job_id": row.pk, "name": str(n)})
        for n, row in enumerate(jobs)
    )
    with django_assert_num_queries(4):  # session and user are the host's, two are ours
        assert call("GET", "/hili/api/v1/jobs/") == 200
    assert call("GET", "/bare/list/") == 200
    ours, bare = compare(
        lambda: call("GET", "/hili/api/v1/jobs/"), lambda: call("GET", "/bare/list/"), rounds=80
    )
    say("G10", f"a page of 50 of 5 000 jobs: {bare / ours:.2f} of the rate of values(), 2 queries "
        f"({ours * 1e3:.1f} against {bare * 1e3:.1f} ms; goal 0.85)")  # fmt: skip
