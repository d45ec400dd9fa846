"""The sandbox inside a site: other addresses, other guards, the same service."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_hili.sandbox import checks, pictures, state
from django_hili.sandbox.models import LedgerEntry, Partner, Picture
from django_hili.sandbox.tokens import sign
from django_hili.sandbox.wire import BrokenOffError
from django_hili.sandbox.workers import pool, work_on
from tests.sandbox.conftest import Caller
from tests.sandbox.photos import photo

pytestmark = pytest.mark.django_db

ACCOUNT = {"THIRD_CODE": "hiliad", "SECRET_KEY": "mounted-secret", "CREDITS": 7}


@pytest.fixture(autouse=True)
def site(settings: Any, tmp_path: Path) -> None:
    settings.HILI_SANDBOX = {"FOLDER": str(tmp_path / "sandbox"), **ACCOUNT}
    state.change_behaviour({"mode": "echo"})


def call(client: Client, name: str, **fields: Any) -> Any:
    token = sign(secret_key="mounted-secret", time=str(int(time.time())))
    data = {"third_code": "hiliad", "platform": "pc", **fields}
    return client.post(reverse(f"hili_sandbox:{name}"), data, headers={"token": token})


def upload(client: Client, content: bytes | None = None) -> Any:
    file = SimpleUploadedFile("a.jpg", photo() if content is None else content)
    return call(client, "uploads", seq="sr", file=file)


def test_the_account_of_the_settings_is_opened_on_first_use(client: Client):
    answer = call(client, "nums")
    assert answer.json() == {"code": 200, "data": {"code": "hiliad", "nums": 7}}
    assert call(client, "nums").json()["data"]["nums"] == 7
    assert Partner.objects.count() == 1


def test_the_whole_way_under_a_prefix(client: Client):
    (mdf,) = upload(client).json()["data"]["mdf"]
    (standing,) = call(client, "status", mdf=mdf).json()["data"]["mdfs"]
    assert standing["code"] == 1
    assert standing["icon_url"] == f"http://testserver/sandbox/static/img/{mdf}_icon.jpg"
    url = call(client, "download", mdf=mdf).json()["data"]["url"]
    answer = client.get(url)
    assert b"".join(answer.streaming_content) == photo()
    assert call(client, "nums").json()["data"]["nums"] == 6


def test_the_csrf_guard_of_the_site_does_not_stand_in_the_way():
    assert upload(Client(enforce_csrf_checks=True)).json()["code"] == 200


def test_a_status_call_of_a_hundred_ids_is_one_query(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
):
    state.add_package(partner=_partner(client), credit_count=100)
    mdfs = [upload(client).json()["data"]["mdf"][0] for _ in range(100)]
    monkeypatch.setattr(state._memory, "is_kept", True)
    state.forget()
    call(client, "nums")
    try:
        with django_assert_num_queries(1):
            answer = call(client, "status", mdf=mdfs)
        assert len(answer.json()["data"]["mdfs"]) == 100
    finally:
        state.forget()


def _partner(client: Client) -> Partner:
    call(client, "nums")
    return Partner.objects.get()


def test_a_lost_answer_breaks_off_under_any_server(client: Client):
    from django_hili.sandbox import rules

    rules.add(kind="lost_answer", endpoint="uploads", times=1)
    answer = upload(client)
    with pytest.raises(BrokenOffError):
        b"".join(answer.streaming_content)
    assert LedgerEntry.objects.get().faults == "lost_answer"


@pytest.mark.django_db(transaction=True)
def test_the_whole_way_and_a_lost_answer_over_the_server_of_a_site(live_server: Any):
    from django_hili.sandbox import rules

    caller = Caller(f"{live_server.url}/sandbox", third_code="hiliad", secret="mounted-secret")
    with caller.http:
        (mdf,) = caller.uploaded(photo(), photo(shade=9))[:1]
        assert caller.fetched(mdf).content == photo()
        rules.add(kind="lost_answer", endpoint="uploads", times=1)
        rules.add(kind="cut_short", endpoint="status", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            caller.upload(photo())
        with pytest.raises(httpx.RemoteProtocolError):
            caller.status(mdf)
        assert caller.nums() == 4
    assert LedgerEntry.objects.filter(event="accepted").count() == 3


def test_the_control_page_is_closed_to_visitors(client: Client, settings: Any):
    names = ("control", "control-state", "control-ledger", "control-script")
    for name in names:
        assert client.get(reverse(f"hili_sandbox:{name}")).status_code == 403
    body = {"kind": "slow"}
    address = reverse("hili_sandbox:control-faults")
    assert client.post(address, body, content_type="application/json").status_code == 403
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(reverse("hili_sandbox:control-state")).status_code == 403
    client.force_login(User.objects.create_superuser("root"))
    for name in names:
        assert client.get(reverse(f"hili_sandbox:{name}")).status_code == 200
    client.logout()
    settings.DEBUG = True
    assert client.get(reverse("hili_sandbox:control-state")).status_code == 200


def test_the_page_knows_its_prefix(client: Client, settings: Any):
    settings.DEBUG = True
    answer = client.get(reverse("hili_sandbox:control-state")).json()
    assert answer["base_url"] == "http://testserver/sandbox"


def test_changes_count_at_once(client: Client):
    upload(client)
    mdf = Picture.objects.get().mdf
    state.change_behaviour({"travel_seconds": 4000.0})
    assert call(client, "status", mdf=mdf).json()["errno"] == 9002
    assert not Picture.objects.exists()


def test_a_picture_whose_worker_is_gone_is_taken_up_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    state.change_behaviour({"mode": "cheap"})
    old, young = (upload(client).json()["data"]["mdf"][0] for _ in range(2))
    now = state.snapshot().now()
    Picture.objects.filter(mdf=old).update(accepted_at=now - 900, claimed_at=now - 800)
    Picture.objects.filter(mdf=young).update(claimed_at=now)
    queued: list[str] = []
    monkeypatch.setattr(pool, "submit", queued.extend)
    monkeypatch.setattr(pictures.sweeper, "swept_at", -1e9)
    call(client, "nums")
    assert queued == [old]
    assert work_on(old)
    assert not work_on(young)
    assert Picture.objects.get(mdf=old).code == 1


def test_the_checks(settings: Any):
    assert checks.check_settings() == []
    settings.HILI_SANDBOX = {"FOLDERS": "x", "THIRD_CODE": "alone"}
    assert [each.id for each in checks.check_settings()] == [
        "hili_sandbox.E001",
        "hili_sandbox.E002",
    ]
    assert [each.id for each in checks.check_deployed()] == ["hili_sandbox.W001"]
    settings.HILI_SANDBOX = {"BEHAVIOUR": {"mode": "magic"}}
    assert [each.id for each in checks.check_settings()] == ["hili_sandbox.E003"]
    settings.DEBUG = True
    assert checks.check_deployed() == []


def test_the_settings_may_say_how_it_behaves(client: Client, settings: Any):
    settings.HILI_SANDBOX = {**settings.HILI_SANDBOX, "BEHAVIOUR": {"lifetime_seconds": 60.0}}
    assert state.snapshot().behaviour.lifetime_seconds == 60
    # What was turned by hand stays turned.
    assert state.snapshot().behaviour.mode == "echo"


def test_the_migrations_are_up_to_date():
    call_command("makemigrations", "hili_sandbox", check=True, dry_run=True, verbosity=0)


def test_the_rows_of_the_request_path_are_whole(client: Client):
    upload(client)
    picture = Picture.objects.get()
    assert (picture.partner.third_code, picture.seq, picture.width) == ("hiliad", "sr", 160)
    assert picture.full_clean() is None
    assert dataclasses.asdict(state.snapshot().behaviour)["mode"] == "echo"
