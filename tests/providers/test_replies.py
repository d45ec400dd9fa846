"""What each answer means: one table per call, with a remark per row, and at the end what nobody
listed: it must come out as unknown."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from django_hili.codes import SENTENCES, Code
from django_hili.exceptions import ProviderError
from django_hili.providers.exchange import Answer, wait_told
from django_hili.providers.hili_replies import (
    Call,
    address_in,
    clean,
    credits_in,
    errno_of,
    handle_in,
    read,
    state_in_v1,
    state_of_error,
    states_in,
)
from django_hili.providers.remote import RemoteStage, RemoteState

HANDLE = "40b37f58db153e5149f008421797714e"
SENDS = (Call.UPLOAD, Call.AGAIN)
QUESTIONS = (Call.STATUS, Call.DOWNLOAD, Call.CREDITS)


def refusal(errno: object, *, code: object = 9000, msg: object = "words") -> bytes:
    return json.dumps({"code": code, "errno": errno, "msg": msg}).encode()


def error_of(call: Call, content: bytes, *, status: int = 200, **more: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        read(call, Answer(status, content, **more))
    return caught.value


LISTED = [
    # call, errno, code, retryable, remark
    (Call.UPLOAD, 9999, Code.PROVIDER_BAD_CREDENTIALS, True),  # waits behind a breaker
    (Call.UPLOAD, 9101, Code.PROVIDER_NO_CREDITS, True),  # stays queued
    (Call.UPLOAD, 9001, Code.PROVIDER_REFUSED_OPTIONS, False),  # failed, said to the person
    (Call.UPLOAD, 9005, Code.PROVIDER_REFUSED_FILE, False),
    (Call.UPLOAD, 9009, Code.PROVIDER_DAMAGED_PHOTO, False),
    (Call.UPLOAD, 9006, Code.PROVIDER_UPLOAD_FAILED, True),  # three tries, then failed
    (Call.AGAIN, 9101, Code.PROVIDER_NO_CREDITS, True),
    (Call.AGAIN, 9001, Code.PROVIDER_REFUSED_OPTIONS, False),
    (Call.AGAIN, 9002, Code.PROVIDER_COPY_GONE, False),  # the vendor's hour is over
    (Call.STATUS, 9002, Code.PROVIDER_COPY_GONE, False),
    (Call.STATUS, 9009, Code.PROVIDER_DAMAGED_PHOTO, False),
    (Call.STATUS, 9999, Code.PROVIDER_BAD_CREDENTIALS, True),
    (Call.STATUS, 500, Code.PROVIDER_DOWN, True),
    (Call.DOWNLOAD, 9002, Code.PROVIDER_COPY_GONE, False),
    (Call.DOWNLOAD, 9101, Code.PROVIDER_NO_CREDITS, True),  # charged per download
    (Call.DOWNLOAD, 500, Code.PROVIDER_DOWN, True),
    (Call.CREDITS, 9002, Code.PROVIDER_BAD_CREDENTIALS, True),  # no such partner
    (Call.CREDITS, 500, Code.PROVIDER_DOWN, True),
]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(("call", "errno", "code", "retryable"), LISTED)
def test_listed(call: Call, errno: int, code: Code, retryable: bool, as_text: bool) -> None:
    content = refusal(str(errno), code="9000") if as_text else refusal(errno)
    error = error_of(call, content)
    assert (error.code, error.retryable, error.charged) == (code, retryable, False)
    assert error.vendor_words == f"{errno} words"
    assert "words" not in str(error)


@pytest.mark.parametrize(
    ("call", "status", "code", "charged"),
    [
        (Call.UPLOAD, 429, Code.PROVIDER_BUSY, False),
        (Call.STATUS, 429, Code.PROVIDER_BUSY, False),
        (Call.UPLOAD, 413, Code.PROVIDER_REFUSED_FILE, False),
        (Call.UPLOAD, 502, Code.SEND_UNKNOWN, None),  # the service behind may have taken it
        (Call.UPLOAD, 500, Code.SEND_UNKNOWN, None),
        (Call.STATUS, 503, Code.PROVIDER_DOWN, False),
        (Call.CREDITS, 500, Code.PROVIDER_DOWN, False),
        (Call.DOWNLOAD, 504, Code.PROVIDER_DOWN, None),
    ],
)
def test_http_statuses(call: Call, status: int, code: Code, charged: bool | None) -> None:
    error = error_of(call, b"<html>busy</html>", status=status, retry_after=7.0)
    assert (error.code, error.charged, error.retry_after) == (code, charged, 7.0)
    assert error.vendor_words == f"HTTP {status}, no JSON object"


def test_a_gateways_error_does_not_speak_for_the_service() -> None:
    error = error_of(Call.UPLOAD, refusal(9001), status=502)
    assert error.code is Code.SEND_UNKNOWN


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 12 ", 12.0),
        ("99999999999999", 3600.0),  # nobody waits for three thousand years
        (formatdate(1060, usegmt=True), 60.0),
        (formatdate(900, usegmt=True), 0.0),
        ("Thu, 01 Jan 1970 00:17:40 -0000", 60.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert wait_told(text, 1000.0) == seconds


@pytest.mark.parametrize(
    ("data", "handle"),
    [
        ({"mdf": [HANDLE]}, HANDLE),
        ({"mdf": HANDLE}, HANDLE),  # version 1
        ({"mdf": HANDLE, "img_url": "https://x/y.jpg"}, HANDLE),
    ],
)
def test_one_handle(data: dict[str, Any], handle: str) -> None:
    body = json.dumps({"code": "200", "data": data}).encode()
    assert handle_in(Call.UPLOAD, read(Call.UPLOAD, Answer(200, body))) == handle


STATES = [
    # what the vendor says of a photo, the stage, the operation
    ({"state": "任务处理完成"}, RemoteStage.DONE, None),  # all that the documents promise
    ({"state": "x", "code": 1, "task": 2002}, RemoteStage.DONE, None),
    ({"state": "x", "code": "1", "task": "2002"}, RemoteStage.DONE, None),
    ({"state": "x", "code": 2, "task": 2010}, RemoteStage.FAILED, None),
    ({"state": "x", "code": 2}, RemoteStage.FAILED, None),
    ({"state": "x", "code": 0, "task": 2001}, RemoteStage.WAITING, None),
    ({"state": "x", "code": 0, "task": 2003}, RemoteStage.PROCESSING, "sr"),
    ({"state": "x", "code": 0, "task": 2004}, RemoteStage.PROCESSING, "bg"),
    ({"state": "x", "code": 0, "task": 2005}, RemoteStage.PROCESSING, "bg"),
    ({"state": "x", "code": 0, "task": 2006}, RemoteStage.PROCESSING, "scratch"),
    ({"state": "x", "code": 0, "task": 2007}, RemoteStage.PROCESSING, "defogging"),
    ({"state": "x", "code": 0, "task": 2008}, RemoteStage.PROCESSING, "repair"),
    ({"state": "x", "code": 0, "task": 2009}, RemoteStage.PROCESSING, "colour"),
    ({"state": "x", "code": 0, "task": 2999}, RemoteStage.PROCESSING, None),  # a new stage
    ({"code": 0}, RemoteStage.PROCESSING, None),
    ({"task": 2002}, RemoteStage.DONE, None),
    ({"state": "任务排队中"}, RemoteStage.WAITING, None),
    ({"state": "图像修复中"}, RemoteStage.PROCESSING, None),
    ({"state": "任务处理失败"}, RemoteStage.FAILED, None),
]


@pytest.mark.parametrize(("said", "stage", "operation"), STATES)
def test_states(said: dict[str, Any], stage: RemoteStage, operation: str | None) -> None:
    states = states_in({"mdfs": [{"mdf": HANDLE, **said}]}, [HANDLE])
    state = states[HANDLE]
    assert isinstance(state, RemoteState)
    assert (state.stage, state.operation) == (stage, operation)
    assert state.vendor_words == said.get("state", "")


@pytest.mark.parametrize(("status", "stage"), [(100, "processing"), ("200", "done")])
def test_states_of_version_1(status: object, stage: str) -> None:
    assert state_in_v1({"msg": "x", "status": status}).stage == stage


def test_version_1_tells_a_failure_as_an_other_error() -> None:
    failed = state_of_error(error_of(Call.STATUS, refusal(500, msg="任务处理失败:模型")))
    assert isinstance(failed, RemoteState)
    assert failed.stage is RemoteStage.FAILED
    assert isinstance(
        state_of_error(error_of(Call.STATUS, refusal(500, msg="查询失败"))), ProviderError
    )


@pytest.mark.parametrize(("given", "left"), [(98, 98), ("98", 98), (0, 0), (3.0, 3)])
def test_credits(given: object, left: int) -> None:
    assert credits_in({"nums": given}) == left


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("文件上传类型不支持", "文件上传类型不支持"),
        ("see https://sdkphoto.example.org/a?token=b now", "see […] now"),
        ("see https:\\/\\/sdkphoto.example.org\\/a now", "see […] now"),
        ("photo.example.org/static/x.jpg", "[…]"),
        ("id 40b37f58db153e5149f008421797714e", "id […]"),
        ("from 10.1.2.3", "from […]"),
        ("two\r\nlines\x00", "two lines"),
        (None, ""),
        ({"a": 1}, ""),
        (7, "7"),
        ("长" * 500, "长" * 200),
    ],
)
def test_words_for_the_operator(said: object, kept: str) -> None:
    assert clean(said) == kept


def test_every_code_has_a_sentence() -> None:
    assert set(Code) <= set(SENTENCES)


# What follows is listed nowhere. It must come out as unknown, never as something it might be.

NONSENSE = [
    b"",
    b"<html><body>502</body></html>",
    b'{"code": 200, "data": {"mdf": ["40b3',
    b"[]",
    b"null",
    b'"9001"',
    b"9001",
    b"{}",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"code": 9000}',
    b'{"code": 9000, "msg": "no number"}',
    b'{"code": 9000, "errno": null}',
    b'{"code": 9000, "errno": true}',
    b'{"code": 9000, "errno": [9001]}',
    b'{"code": 9000, "errno": 9001.5}',
    b'{"code": 9000, "errno": "9001x"}',
    b'{"code": 200}',
    b'{"code": 200, "data": null}',
    b'{"code": 200, "data": "x"}',
    b'{"code": true, "data": {}}',
    b'{"data": {"mdf": ["x"]}}',
    refusal(7777),
    refusal(-9001),
    refusal(0),
    refusal(90010000000),
    refusal("9" * 5000),
]
UNLISTED_ERRNOS = [
    (Call.UPLOAD, 9002),  # a new photo cannot be unknown
    (Call.UPLOAD, 500),  # "other": nobody knows what became of the photo
    (Call.AGAIN, 500),
    (Call.STATUS, 9101),
    (Call.STATUS, 9006),
    (Call.CREDITS, 9101),
    (Call.CREDITS, 9001),
    (Call.DOWNLOAD, 9006),
]


@pytest.mark.parametrize("content", NONSENSE, ids=lambda content: repr(content[:30]))
@pytest.mark.parametrize("call", list(Call))
def test_nonsense_is_unknown(call: Call, content: bytes) -> None:
    error = error_of(call, content)
    _assert_unknown(call, error)


@pytest.mark.parametrize(("call", "errno"), UNLISTED_ERRNOS)
def test_a_number_from_another_call_is_unknown(call: Call, errno: int) -> None:
    _assert_unknown(call, error_of(call, refusal(errno)))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405])
@pytest.mark.parametrize("call", list(Call))
def test_a_status_that_nobody_listed_is_unknown(call: Call, status: int) -> None:
    _assert_unknown(call, error_of(call, b"{}", status=status))


@pytest.mark.parametrize("status", [404, 500])
def test_a_success_with_an_error_status_is_no_success(status: int) -> None:
    body = json.dumps({"code": 200, "data": {"mdf": [HANDLE]}}).encode()
    assert error_of(Call.UPLOAD, body, status=status).code is Code.SEND_UNKNOWN


@pytest.mark.parametrize(
    "given",
    [None, [], [HANDLE, HANDLE], [None], [7], "", "a b", "a\nb", "../x", "x" * 65, {"a": 1}],
)
def test_a_wrong_number_of_ids_is_in_doubt(given: object) -> None:
    with pytest.raises(ProviderError) as caught:
        handle_in(Call.UPLOAD, {"mdf": given})
    _assert_unknown(Call.UPLOAD, caught.value)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"state": ""},
        {"state": "任务状态异常"},
        {"state": "任务处理完成", "code": 7},
        {"state": "任务处理完成", "code": "done"},
        {"state": "任务处理完成", "code": None, "task": None, "x": 1} | {"state": None},
        {"code": 1, "task": 2010},
        {"code": 2, "task": 2002},
        {"code": 0, "task": 2002},  # the two are written one after the other: ask again
        {"code": 1, "task": 2008},
    ],
)
def test_an_unknown_state_is_an_error(said: dict[str, Any]) -> None:
    error = states_in({"mdfs": [{"mdf": HANDLE, **said}]}, [HANDLE])[HANDLE]
    assert isinstance(error, ProviderError)
    _assert_unknown(Call.STATUS, error)


@pytest.mark.parametrize("given", [None, "x", {}, 7])
def test_no_list_of_states(given: object) -> None:
    with pytest.raises(ProviderError) as caught:
        states_in({"mdfs": given}, [HANDLE])
    _assert_unknown(Call.STATUS, caught.value)


def test_entries_that_make_no_sense_are_passed_over() -> None:
    entries = [None, 7, {}, {"mdf": 7}, {"mdf": "stranger", "code": 1}, {"mdf": HANDLE, "code": 1}]
    states = states_in({"mdfs": entries}, [HANDLE])
    assert list(states) == [HANDLE]


@pytest.mark.parametrize("status", [None, 0, 300, "done", True])
def test_an_unknown_status_of_version_1(status: object) -> None:
    with pytest.raises(ProviderError) as caught:
        state_in_v1({"status": status})
    _assert_unknown(Call.STATUS, caught.value)


@pytest.mark.parametrize("given", [None, "", 7, ["https://x"]])
def test_no_address(given: object) -> None:
    with pytest.raises(ProviderError) as caught:
        address_in({"url": given})
    assert caught.value.code is Code.PROVIDER_ANSWER_UNREADABLE


@pytest.mark.parametrize("given", [None, "", "many", True, 1.5, [98], -1, "-1", 2**31])
def test_no_number_of_credits(given: object) -> None:
    with pytest.raises(ProviderError) as caught:
        credits_in({"nums": given})
    _assert_unknown(Call.CREDITS, caught.value)


def test_errno_is_none_where_the_vendor_did_not_speak() -> None:
    assert errno_of(Answer(200, b"<html>")) is None
    assert errno_of(Answer(502, refusal(9999))) is None
    assert errno_of(Answer(200, b'{"code": 200, "errno": 9999, "data": {}}')) is None


def _assert_unknown(call: Call, error: ProviderError) -> None:
    if call in SENDS:
        assert (error.code, error.charged, error.retryable) == (Code.SEND_UNKNOWN, None, False)
    else:
        assert error.code is Code.PROVIDER_ANSWER_UNREADABLE
        assert error.retryable
