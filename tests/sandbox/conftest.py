"""A real sandbox process, emptied before each test, and a caller that signs its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from django_hili.sandbox.server import Control, Sandbox, running_sandbox
from django_hili.sandbox.tokens import sign
from tests.sandbox.photos import photo

SECRET = "its-secret"
CREDITS = 100


class Caller:
    """Speaks the vendor's API as a client would, with a fresh token for every call."""

    def __init__(self, base_url: str, *, third_code: str = "site", secret: str = SECRET) -> None:
        self.http = httpx.Client(base_url=base_url, trust_env=False, timeout=10)
        self.third_code = third_code
        self.secret = secret

    def token(self, *, off: float = 0.0) -> str:
        return sign(secret_key=self.secret, time=str(int(time.time() + off)))

    def raw(self, path: str, *, token: str | None = None, **kwargs: Any) -> httpx.Response:
        headers = {"token": self.token() if token is None else token}
        return self.http.post(f"/api/third/{path}", headers=headers, **kwargs)

    def post(self, path: str, *, files: Any = None, **fields: Any) -> dict[str, Any]:
        data = {"third_code": self.third_code, **fields}
        answer = self.raw(path, data=data, files=files)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def upload(
        self, *contents: bytes, again: Sequence[str] = (), seq: str = "sr", **fields: Any
    ) -> dict[str, Any]:
        files = [("file", (f"photo-{n}.jpg", content)) for n, content in enumerate(contents)]
        fields = {"seq": seq, "platform": "pc", **fields}
        if again:
            fields["mdf"] = list(again)
        return self.post("uploads", files=files or None, **fields)

    def uploaded(self, *contents: bytes, **fields: Any) -> list[str]:
        answer = self.upload(*(contents or (photo(),)), **fields)
        assert answer["code"] == 200, answer
        return answer["data"]["mdf"]

    def status(self, *mdfs: str) -> dict[str, Any]:
        return self.post("status", mdf=list(mdfs), platform="pc")

    def standing(self, mdf: str) -> dict[str, Any]:
        answer = self.status(mdf)
        assert answer["code"] == 200, answer
        return answer["data"]["mdfs"][0]

    def finished(self, mdf: str, *, within: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            standing = self.standing(mdf)
            if standing["code"]:
                return standing
            time.sleep(0.02)
        raise AssertionError("the picture was never finished")

    def download(self, mdf: str) -> dict[str, Any]:
        return self.post("download", mdf=mdf)

    def fetched(self, mdf: str) -> httpx.Response:
        return self.http.get(self.download(mdf)["data"]["url"])

    def nums(self) -> int:
        return self.post("company/nums")["data"]["nums"]


def errno(answer: dict[str, Any]) -> int:
    assert answer["code"] == 9000, answer
    return answer["errno"]


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with running_sandbox(mode="echo") as running:
        yield running


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.control.reset(partners=True)
    server.control.set(mode="echo")
    server.control.add_partner("site", SECRET, credit_count=CREDITS)
    return server


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    return sandbox.control


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox.base_url)
    with caller.http:
        yield caller
