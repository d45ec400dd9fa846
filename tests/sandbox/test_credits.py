"""Credits: packages that lapse, both ways of charging, and no charge without a picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from django_hili.sandbox.server import Control, SandboxError
from tests.sandbox.conftest import SECRET, Caller, errno
from tests.sandbox.photos import photo

DAY = 86400


def left(control: Control, third_code: str = "site") -> list[int]:
    """Return what is left of each package, in the order in which they lapse."""
    return [package["left"] for package in control.partners()[third_code]["packages"]]


def test_a_package_lapses_after_a_year(caller: Caller, control: Control):
    control.travel(365 * DAY - 60)
    assert caller.nums() == 100
    control.travel(61)
    assert caller.nums() == 0
    assert errno(caller.upload(photo())) == 9101
    control.add_credits("site", 3)
    assert caller.nums() == 3


def test_what_lapses_first_is_spent_first(caller: Caller, control: Control):
    control.add_credits("site", 2, days=30)
    control.add_credits("site", 2, days=10)
    assert left(control) == [2, 2, 100]
    caller.uploaded()
    assert left(control) == [1, 2, 100]
    # One upload of several pictures may take from several packages.
    caller.uploaded(photo(), photo(), photo(), photo())
    assert left(control) == [0, 0, 99]


def test_a_lapsed_package_is_not_spent(caller: Caller, control: Control):
    control.add_credits("site", 2, days=10)
    control.travel(11 * DAY)
    caller.uploaded()
    assert left(control) == [2, 99]
    assert caller.nums() == 99


def test_an_upload_that_the_credits_do_not_cover_costs_nothing(caller: Caller, control: Control):
    control.add_partner("poor", "poor-secret", credit_count=2)
    caller.third_code, caller.secret = "poor", "poor-secret"
    assert errno(caller.upload(photo(), photo(), photo())) == 9101
    assert (left(control, "poor"), control.ledger(), control.pictures()) == ([2], [], {})
    caller.uploaded(photo(), photo())
    assert caller.nums() == 0


def test_charged_per_upload(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    for _ in range(3):
        assert caller.download(mdf)["code"] == 200
    assert caller.nums() == 99
    assert control.totals()["site"] == {"credits": 1, "accepted": 1, "downloaded": 3}


def test_charged_per_download_and_repeated_downloads_are_free(caller: Caller, control: Control):
    control.add_partner("site", SECRET, charging="download")
    first, second = caller.uploaded(photo(), photo())
    assert caller.nums() == 100
    for _ in range(3):
        assert caller.download(first)["code"] == 200
    assert caller.nums() == 99
    caller.download(second)
    assert caller.nums() == 98
    assert control.totals()["site"] == {"credits": 2, "accepted": 2, "downloaded": 4}


def test_charged_per_download_without_credits(caller: Caller, control: Control):
    control.add_partner("late", "late-secret", credit_count=1, charging="download")
    caller.third_code, caller.secret = "late", "late-secret"
    first, second = caller.uploaded(photo(), photo())
    assert caller.download(first)["code"] == 200
    assert errno(caller.download(second)) == 9101
    assert errno(caller.upload(photo())) == 9101
    # What was paid for stays free.
    assert caller.download(first)["code"] == 200
    events = [entry["event"] for entry in control.ledger()]
    assert events == ["accepted", "accepted", "downloaded", "downloaded"]


def test_many_at_once_never_spend_more_than_there_is(caller: Caller, control: Control):
    control.add_partner("busy", "busy-secret", credit_count=25)
    caller.third_code, caller.secret = "busy", "busy-secret"
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: caller.upload(photo(40, 30)), range(40)))
    accepted = [answer for answer in answers if answer["code"] == 200]
    assert len(accepted) == 25
    assert {errno(answer) for answer in answers if answer["code"] != 200} == {9101}
    assert (caller.nums(), len(control.pictures())) == (0, 25)
    assert control.totals()["busy"] == {"credits": 25, "accepted": 25}


def test_the_ledger_knows_the_file_and_the_request(caller: Caller, control: Control):
    sent = photo()
    mdfs = caller.uploaded(sent, photo(shade=3))
    first, second = control.ledger()
    assert [first["mdf"], second["mdf"]] == mdfs
    assert (first["file_name"], second["file_name"]) == ("photo-0.jpg", "photo-1.jpg")
    assert first["size_bytes"] == len(sent)
    assert first["request"] == second["request"]
    assert first["sha256"] != second["sha256"]
    caller.uploaded(sent)
    (third,) = control.ledger(since=second["id"])
    assert third["sha256"] == first["sha256"]
    assert third["request"] != first["request"]


@pytest.mark.parametrize(
    "body",
    [
        {"third_code": "site", "credit_count": 0},
        {"third_code": "nobody", "credit_count": 5},
        {"third_code": "site"},
        {"third_code": "site", "credit_count": "5"},
    ],
)
def test_a_package_that_makes_no_sense_is_not_sold(control: Control, body):
    with pytest.raises(SandboxError):
        control.call("POST", "packages", body)
    assert left(control) == [100]
