"""The hour: after it nothing of a picture is left, asked for or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from django_hili.sandbox.server import Sandbox, running_sandbox
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import photo


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Sandbox, Caller]]:
    """Run a sandbox whose folder a test can look into."""
    with running_sandbox(folder=tmp_path, third_code="site", secret_key="its-secret") as sandbox:
        caller = Caller(sandbox.base_url)
        with caller.http:
            yield sandbox, caller


def files(sandbox: Sandbox) -> list[str]:
    assert sandbox.folder is not None
    return sorted(path.name for path in (sandbox.folder / "photos").iterdir())


def test_the_hour_begins_when_the_picture_is_done(kept: tuple[Sandbox, Caller]):
    sandbox, caller = kept
    sandbox.control.processing(600)
    (mdf,) = caller.uploaded()
    sandbox.control.travel(600 + 3600 - 5)
    assert caller.standing(mdf)["code"] == 1
    sandbox.control.travel(6)
    assert errno(caller.status(mdf)) == 9002
    answer = caller.download(mdf)
    assert (errno(answer), answer["msg"]) == (9002, "数据已失效,请重新上传")


def test_who_asks_too_late_finds_no_file(kept: tuple[Sandbox, Caller]):
    sandbox, caller = kept
    (mdf,) = caller.uploaded()
    standing = caller.standing(mdf)
    url = caller.download(mdf)["data"]["url"]
    for address in (standing["wmk_url"], standing["icon_url"], standing["src_url"], url):
        assert caller.http.get(address).status_code == 200
    assert files(sandbox) == [f"{mdf}.{kind}" for kind in ("icon", "preview", "source")]
    sandbox.control.travel(3601)
    assert caller.http.get(url).status_code == 404
    assert files(sandbox) == []
    assert sandbox.control.pictures() == {}
    assert sandbox.control.ledger()[-1]["event"] == "forgotten"


def test_the_sweep_needs_nobody_to_ask(kept: tuple[Sandbox, Caller]):
    sandbox, caller = kept
    caller.uploaded(photo(), photo(shade=5))
    sandbox.control.travel(1800)
    (young,) = caller.uploaded(photo(shade=9))
    sandbox.control.travel(1801)
    assert sandbox.control.sweep() == 2
    assert files(sandbox) == [f"{young}.source"]
    assert sandbox.control.sweep() == 0
    assert sandbox.control.totals()["site"] == {"credits": 3, "accepted": 3, "forgotten": 2}


def test_a_refused_upload_leaves_no_file(kept: tuple[Sandbox, Caller]):
    sandbox, caller = kept
    assert errno(caller.upload(photo(), b"no picture")) == 9005
    sandbox.control.add_partner("poor", "poor-secret")
    caller.third_code, caller.secret = "poor", "poor-secret"
    assert errno(caller.upload(photo())) == 9101
    assert files(sandbox) == []


def test_another_lifetime(kept: tuple[Sandbox, Caller]):
    sandbox, caller = kept
    sandbox.control.set(lifetime_seconds=10.0)
    (mdf,) = caller.uploaded()
    sandbox.control.travel(9)
    assert caller.standing(mdf)["code"] == 1
    sandbox.control.travel(2)
    assert errno(caller.status(mdf)) == 9002
