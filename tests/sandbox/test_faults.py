"""Every fault, seen from the client's side of a real connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx
import pytest
from PIL import UnidentifiedImageError

from django_hili.sandbox.faults import KINDS
from django_hili.sandbox.server import Control, SandboxError
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import opened, photo

COVERED: set[str] = set()


def of(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which faults a test is about, so that none is forgotten."""
    COVERED.update(kinds)
    return lambda test: test


def upload(caller: Caller) -> httpx.Response:
    data = {"third_code": caller.third_code, "seq": "sr", "platform": "pc"}
    return caller.raw("uploads", data=data, files={"file": ("a.jpg", photo())})


def accepted(control: Control) -> int:
    return control.totals().get("site", {}).get("accepted", 0)


@of("slow")
def test_a_slow_answer_comes_after_the_work(caller: Caller, control: Control):
    control.fault("slow", "uploads", times=1, seconds=0.4)
    started = time.monotonic()
    assert upload(caller).json()["code"] == 200
    assert time.monotonic() - started >= 0.4
    control.fault("slow", "uploads", times=1, seconds=3.0)
    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            "/api/third/uploads",
            headers={"token": caller.token()},
            data={"third_code": "site", "seq": "sr", "platform": "pc"},
            files={"file": ("a.jpg", photo())},
            timeout=0.5,
        )
    # The caller gave up; the picture was taken and charged all the same.
    assert accepted(control) == 2


@of("dribble")
def test_a_dribbling_answer(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    control.fault("dribble", "file", times=1, bytes_per_second=len(photo()) * 2)
    started = time.monotonic()
    assert caller.http.get(url).content == photo()
    assert 0.3 < time.monotonic() - started < 3


@of("http_error")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("is_accepted", [False, True])
def test_an_http_error(caller: Caller, control: Control, status, is_accepted):
    control.fault("http_error", "uploads", times=1, status=status, accepted=is_accepted)
    answer = upload(caller)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html"
    assert accepted(control) == int(is_accepted)
    assert upload(caller).json()["code"] == 200


@of("rate_limited")
def test_too_many_requests(caller: Caller, control: Control):
    for form in ("seconds", "date", "none"):
        control.fault("rate_limited", "uploads", times=1, form=form, retry_after=7)
    answer = upload(caller)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    answer = upload(caller)
    until = parsedate_to_datetime(answer.headers["retry-after"]).timestamp()
    assert 5 <= until - time.time() <= 8
    assert "retry-after" not in upload(caller).headers
    assert accepted(control) == 0


@of("rate_limit")
def test_a_rate_limit_turns_away_only_what_is_too_fast(caller: Caller, control: Control):
    control.fault("rate_limit", per_second=10.0, burst=4, retry_after=2)
    data = {"third_code": "site"}
    answers = [caller.raw("company/nums", data=data) for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:4] == [200] * 4
    assert statuses.count(429) >= 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "2"
    time.sleep(0.25)
    assert caller.raw("company/nums", data=data).status_code == 200


@of("hang_up")
@pytest.mark.parametrize("size", [len(photo()), 8 * 2**20])
def test_hanging_up_in_the_middle_of_an_upload(caller: Caller, control: Control, size):
    whole = photo(fmt="PNG")
    large = whole + b"\x00" * (size - len(whole)) + whole[-12:]
    control.fault("hang_up", "uploads", times=1)
    with pytest.raises((httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
        caller.upload(large)
    assert control.ledger() == []
    assert caller.nums() == 100
    assert caller.upload(large)["code"] == 200


@of("lost_answer")
@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_lost_answer(caller: Caller, control: Control, is_reset, is_accepted):
    control.fault("lost_answer", "uploads", times=1, reset=is_reset, accepted=is_accepted)
    wanted = httpx.ReadError if is_reset else httpx.RemoteProtocolError
    with pytest.raises(wanted):
        upload(caller)
    assert accepted(control) == int(is_accepted)
    assert caller.nums() == 100 - int(is_accepted)
    if is_accepted:
        assert control.ledger()[0]["faults"] == "lost_answer"


@of("cut_short")
def test_an_answer_cut_short(caller: Caller, control: Control):
    control.fault("cut_short", "uploads", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        upload(caller)
    assert accepted(control) == 1
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    control.fault("cut_short", "file", times=1, share=0.9)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.http.get(url)
    assert caller.http.get(url).content == photo()


@of("broken_json")
def test_broken_json(caller: Caller, control: Control):
    control.fault("broken_json", "uploads", times=1)
    answer = upload(caller)
    assert answer.status_code == 200
    assert answer.text.startswith('{"code": 200')
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert accepted(control) == 1


@of("html")
@pytest.mark.parametrize("is_accepted", [False, True])
def test_html_instead_of_json(caller: Caller, control: Control, is_accepted):
    control.fault("html", "uploads", times=1, accepted=is_accepted)
    answer = upload(caller)
    assert answer.status_code == 200
    assert answer.text.startswith("<!DOCTYPE html>")
    assert accepted(control) == int(is_accepted)


@of("errno")
def test_an_unknown_error_number(caller: Caller, control: Control):
    control.fault("errno", "uploads", times=1)
    assert upload(caller).json() == {"code": 9000, "errno": 7777, "msg": "未知错误"}
    assert accepted(control) == 0
    control.fault("errno", "uploads", times=1, errno=500, msg="其他错误", accepted=True)
    assert errno(upload(caller).json()) == 500
    assert accepted(control) == 1


@of("no_credits")
def test_no_credits(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    rule = control.fault("no_credits")
    assert errno(upload(caller).json()) == 9101
    assert errno(caller.download(mdf)) == 9101
    assert caller.nums() == 0
    assert caller.standing(mdf)["code"] == 1
    control.clear_faults(rule)
    assert caller.nums() == 99


@of("numbers_as_text")
def test_numbers_as_text(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.fault("numbers_as_text")
    assert caller.post("company/nums")["data"]["nums"] == "99"
    answer = caller.status(mdf)
    assert (answer["code"], answer["data"]["status"]) == ("200", "200")
    assert answer["data"]["mdfs"][0]["task"] == "2002"
    caller.third_code = "nobody"
    answer = caller.status(mdf)
    assert (answer["code"], answer["errno"]) == ("9000", "9999")


@of("wrong_clock")
def test_a_wrong_clock_can_be_learned_from_the_date_header(caller: Caller, control: Control):
    control.fault("wrong_clock", seconds=600)
    answer = caller.raw("company/nums", data={"third_code": "site"})
    assert answer.json()["errno"] == 9999
    off = parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
    assert 597 < off < 602
    token = caller.token(off=off)
    answer = caller.raw("company/nums", data={"third_code": "site"}, token=token)
    assert answer.json()["data"]["nums"] == 100


@of("wrong_clock")
def test_a_wrong_clock_behind_an_honest_gateway(caller: Caller, control: Control):
    control.fault("wrong_clock", seconds=-600, tell=False)
    answer = caller.raw("company/nums", data={"third_code": "site"})
    assert answer.json()["errno"] == 9999
    assert abs(parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()) < 3


@of("wrong_ids")
@pytest.mark.parametrize(("count", "wanted"), [(-1, 1), (-2, 0), (2, 4)])
def test_a_wrong_number_of_ids(caller: Caller, control: Control, count, wanted):
    mdfs = caller.uploaded(photo(), photo())
    control.fault("wrong_ids", count=count)
    assert len(caller.upload(photo(), photo())["data"]["mdf"]) == wanted
    told = caller.status(*mdfs)["data"]["mdfs"]
    assert len(told) == wanted
    assert [each["mdf"] for each in told[:2]] == mdfs[:wanted]
    assert accepted(control) == 4


@of("older_server")
def test_an_older_server(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.fault("older_server")
    standing = caller.standing(mdf)
    fields = ["mdf", "state", "src_url", "wmk_url", "icon_url", "res_size"]
    assert list(standing) == fields
    assert standing["state"] == "任务处理完成"


@of("without_field")
def test_a_missing_field(caller: Caller, control: Control):
    control.fault("without_field", "uploads", times=1)
    assert upload(caller).json() == {"code": 200}
    control.fault("without_field", "uploads", times=1, field="code")
    assert list(upload(caller).json()) == ["data"]
    (mdf,) = caller.uploaded()
    control.fault("without_field", "status", field="state")
    assert "state" not in caller.standing(mdf)


@of("unknown_state")
def test_an_unknown_state(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.fault("unknown_state", "status", code=7)
    standing = caller.standing(mdf)
    assert (standing["state"], standing["code"]) == ("任务状态异常", 7)


@of("slow_processing")
def test_slow_processing(caller: Caller, control: Control):
    control.fault("slow_processing", "uploads", times=1, seconds=50)
    slow, quick = caller.uploaded()[0], caller.uploaded()[0]
    assert caller.standing(slow)["code"] == 0
    assert caller.standing(quick)["code"] == 1
    control.travel(51)
    assert caller.standing(slow)["code"] == 1


@of("fails")
def test_processing_fails(caller: Caller, control: Control):
    control.fault("fails", "uploads", times=1)
    (mdf,) = caller.uploaded()
    standing = caller.standing(mdf)
    assert (standing["code"], standing["task"]) == (2, 2010)
    assert standing["state"] == "任务处理失败:模型处理异常"
    assert standing["wmk_url"] == ""
    assert errno(caller.download(mdf)) == 9002


@of("expired")
def test_expiry_at_once(caller: Caller, control: Control):
    by_status, by_download, by_file = caller.uploaded(photo(), photo(), photo())
    url = caller.download(by_file)["data"]["url"]
    for endpoint in ("status", "download", "file"):
        control.fault("expired", endpoint, times=1)
    assert errno(caller.status(by_status)) == 9002
    assert errno(caller.download(by_download)) == 9002
    assert caller.http.get(url).status_code == 404
    assert control.pictures() == {}


@of("result_url")
def test_a_foreign_result_address(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.fault("result_url", "download", times=1)
    assert caller.download(mdf)["data"]["url"] == "http://169.254.169.254/latest/meta-data/"
    assert mdf in caller.download(mdf)["data"]["url"]


@of("redirect")
def test_redirects_that_end_at_the_file(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    control.fault("redirect", "file", hops=2, status=307)
    answer = caller.http.get(url, follow_redirects=True)
    assert answer.content == photo()
    assert [each.status_code for each in answer.history] == [307, 307]


@of("redirect")
def test_a_redirect_to_somewhere_else(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    control.fault("redirect", "file", to="http://127.0.0.1:1/secret")
    answer = caller.http.get(url)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:1/secret")


@of("wrong_file")
def test_wrong_files(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    url = caller.download(mdf)["data"]["url"]
    for what in ("html", "text", "empty", "truncated", "other", "short_length", "long_length"):
        control.fault("wrong_file", "file", times=1, what=what)
    html, text, empty, truncated, other, short = [caller.http.get(url) for _ in range(6)]
    for answer in (html, text, empty):
        with pytest.raises(UnidentifiedImageError):
            opened(answer.content)
    assert text.headers["content-type"] == "image/jpeg"
    for answer in (truncated, short):
        assert len(answer.content) == len(photo()) // 2
        with pytest.raises(OSError, match="truncated"):
            opened(answer.content)
    assert opened(other.content).size == (64, 48)
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        caller.http.get(url)
    assert caller.http.get(url).content == photo()


def test_every_fault_has_a_test():
    assert set(KINDS) == COVERED


def test_a_fault_for_the_next_few_requests(caller: Caller, control: Control):
    control.fault("http_error", "uploads", times=2, skip=1)
    statuses = [upload(caller).status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    (rule,) = control.faults()
    assert (rule["remaining"], rule["hits"], rule["skip"]) == (0, 2, 0)


def test_a_fault_for_one_request_hits_one_of_many_at_once(caller: Caller, control: Control):
    control.fault("http_error", "uploads", times=3)
    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(lambda _: upload(caller).status_code, range(24)))
    assert statuses.count(503) == 3


def test_a_fault_spares_other_endpoints_and_partners(caller: Caller, control: Control):
    control.add_partner("other", "other-secret", credit_count=5)
    control.fault("http_error", "uploads", third_code="other")
    assert upload(caller).status_code == 200
    assert caller.nums() == 99
    caller.third_code, caller.secret = "other", "other-secret"
    assert upload(caller).status_code == 503
    assert caller.nums() == 5


def test_a_chance_repeats_with_the_seed(caller: Caller, control: Control):
    runs = []
    for seed in (11, 12, 11):
        control.set(seed=seed)
        control.fault("http_error", "nums", chance=0.5)
        data = {"third_code": "site"}
        runs.append([caller.raw("company/nums", data=data).status_code for _ in range(40)])
        control.clear_faults()
    assert all(8 < statuses.count(503) < 32 for statuses in runs)
    assert runs[0] == runs[2] != runs[1]


def test_several_faults_at_once(caller: Caller, control: Control):
    control.fault("slow", "uploads", seconds=0.3)
    control.fault("http_error", "uploads", status=502)
    started = time.monotonic()
    assert upload(caller).status_code == 502
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "gremlin"},
        {"kind": "slow", "endpoint": "toaster"},
        {"kind": "wrong_file", "endpoint": "uploads"},
        {"kind": "slow", "times": 0},
        {"kind": "hang_up", "third_code": "site"},
        {"kind": "slow", "skip": -1},
        {"kind": "slow", "chance": 1.5},
        {"kind": "slow", "params": {"seconds": "long"}},
        {"kind": "slow", "params": {"minutes": 1}},
        {"kind": "rate_limited", "params": {"form": "poem"}},
        {"kind": "slow", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_not_switched_on(control: Control, body):
    with pytest.raises(SandboxError):
        control.call("POST", "faults", body)
    assert control.faults() == []
