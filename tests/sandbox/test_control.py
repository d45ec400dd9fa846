"""The control page and its API: what it shows, and whom it lets in."""

from __future__ import annotations

import json
import re

import pytest

from django_hili.sandbox.behaviour import Behaviour
from django_hili.sandbox.faults import KINDS
from django_hili.sandbox.server import Control, SandboxError
from tests.sandbox.conftest import Caller
from tests.sandbox.photos import photo


def test_the_page_is_where_a_browser_ends_up(caller: Caller):
    answer = caller.http.get("/", follow_redirects=True)
    assert answer.url.path == "/control/"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy


def test_the_page_needs_nothing_from_elsewhere(caller: Caller):
    page = caller.http.get("/control/").text
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["page.css", "page.js"] or all(
        not address.startswith(("http", "//"))
        for address in re.findall(r'(?:src|href)="([^"]+)"', page)
    )
    assert "style=" not in page
    assert "<script>" not in page
    for name in ("page.css", "page.js"):
        assert caller.http.get(f"/control/{name}").status_code == 200


def test_the_state_holds_all_that_the_page_shows(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.fault("slow", "status", times=5)
    state = control.state()
    assert state["base_url"] == str(caller.http.base_url).rstrip("/")
    assert state["summary"] == {"processing": 0, "done": 1, "failed": 0}
    assert state["partners"][0]["left"] == 99
    assert state["pictures"][0]["mdf"] == mdf
    assert state["ledger"][0]["mdf"] == mdf
    assert state["requests"][0]["endpoint"] == "uploads"
    assert state["faults"][0]["remaining"] == 5
    assert [kind["name"] for kind in state["kinds"]] == list(KINDS)


def test_the_ledger_is_exported_as_a_file(caller: Caller):
    caller.uploaded()
    answer = caller.http.get("/control/ledger?save=1")
    assert "hili-sandbox-ledger.json" in answer.headers["content-disposition"]
    exported = answer.json()
    assert [entry["event"] for entry in exported["entries"]] == ["accepted"]
    assert exported["totals"] == {"site": {"credits": 1, "accepted": 1}}
    assert caller.http.get("/control/ledger?third_code=other").json()["entries"] == []


def test_settings_are_checked(control: Control):
    for wrong in (
        {"mode": "magic"},
        {"lifetime_seconds": "long"},
        {"lifetime_seconds": -1},
        {"charge_again": 1},
        {"seed": 1.5},
        {"colour": "red"},
        {"batch_unknown": "shrug"},
    ):
        with pytest.raises(SandboxError, match="400"):
            control.set(**wrong)
    settings = control.call("GET", "settings")
    assert settings == {
        name: getattr(Behaviour(mode="echo"), name) for name in Behaviour.__dataclass_fields__
    }


def test_a_reset_empties_all_but_the_accounts(caller: Caller, control: Control):
    caller.uploaded()
    control.fault("slow")
    control.set(seed=9)
    control.reset()
    state = control.state()
    assert (state["pictures"], state["ledger"], state["faults"]) == ([], [], [])
    assert (state["settings"]["seed"], state["settings"]["mode"]) == (0, "echo")
    assert state["partners"][0]["left"] == 99


def test_counts_tell_requests_ids_and_pictures(caller: Caller, control: Control):
    control.clear_counts()
    mdfs = caller.uploaded(photo(), photo())
    caller.status(*mdfs)
    caller.status(mdfs[0])
    counts = control.counts()
    wanted = {"uploads": 1, "status": 2, "ids_asked": 3, "pictures_accepted": 2}
    assert {name: counts[name] for name in wanted} == wanted


def test_counts_tell_what_a_client_had_better_not_send(caller: Caller, control: Control):
    control.clear_counts()
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    caller.http.get(url)
    assert not {"client_addresses_sent", "tokens_sent_to_files"} & set(control.counts())
    caller.uploaded(photo(), clientip="192.0.2.1")
    caller.http.get(url, headers={"token": caller.token()})
    counts = control.counts()
    assert (counts["client_addresses_sent"], counts["tokens_sent_to_files"]) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Origin": "https://elsewhere.example"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
    ],
)
def test_a_page_elsewhere_cannot_turn_the_knobs(caller: Caller, headers, status):
    body = json.dumps({"kind": "slow"})
    answer = caller.http.post("/control/faults", content=body, headers=headers)
    assert answer.status_code == status
    assert caller.http.get("/control/faults").json()["faults"] == []


def test_the_page_itself_can(caller: Caller):
    origin = str(caller.http.base_url).rstrip("/")
    headers = {"Origin": origin}
    answer = caller.http.post("/control/faults", json={"kind": "slow"}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example"])
def test_a_name_that_was_bent_to_loopback_is_refused(caller: Caller, host):
    answer = caller.http.get("/control/state", headers={"Host": host})
    assert answer.status_code in (400, 403)


def test_broken_bodies_are_refused(caller: Caller):
    for content in (b"{", b"[]", b'"text"'):
        headers = {"Content-Type": "application/json"}
        answer = caller.http.post("/control/faults", content=content, headers=headers)
        assert answer.status_code == 400
    assert caller.http.put("/control/faults", json={}).status_code == 405
