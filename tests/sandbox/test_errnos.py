"""Every documented error number, and that none of them is charged."""

from __future__ import annotations

from typing import Any

import pytest

from django_hili.sandbox import contract
from django_hili.sandbox.server import Control
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import encoded, photo, scene


def refused(answer: dict[str, Any], number: int, message: str | None = None) -> None:
    assert errno(answer) == number
    assert answer["msg"] == (message or contract.MESSAGES[number])


def test_9999_for_a_bad_token_or_an_unknown_partner(caller: Caller):
    refused(caller.raw("uploads", data={"third_code": "site"}, token="x,1").json(), 9999)
    caller.third_code = "nobody"
    refused(caller.upload(photo()), 9999)


def test_9101_without_credits(caller: Caller, control: Control):
    control.add_partner("poor", "poor-secret")
    caller.third_code, caller.secret = "poor", "poor-secret"
    refused(caller.upload(photo()), 9101)
    assert control.pictures() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": ""},
        {"seq": "sharpen"},
        {"seq": "sr,sr"},
        {"seq": "sr, repair"},
        {"seq": "color"},
        {"type": "cartoon"},
        {"rate": "3"},
        {"rate": "2x"},
        {"rate": "-2"},
        {"seq": "bg"},
        {"seq": "bg", "rgb": "0,0,0"},
        {"platform": "fax"},
        {"platform": ""},
        {"dpi": "300dpi"},
        {"dpi": "99999"},
    ],
)
def test_9001_for_bad_parameters(caller: Caller, fields):
    refused(caller.upload(photo(), **fields), 9001)
    assert caller.nums() == 100


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": "repair,colour,sr,bg,scratch,defogging", "rgb": "1"},
        {"type": "cortoon", "rate": "8"},
        {"type": "text", "rate": "0", "dpi": "300"},
        {"type": "portrait", "seq": "repair,bg", "rgb": "255,255,255"},
        {"type": "landscape", "platform": "zijie", "clientip": "192.0.2.1"},
    ],
)
def test_good_parameters_are_taken(caller: Caller, fields):
    assert caller.upload(photo(), **fields)["code"] == 200


def test_9001_without_a_file(caller: Caller):
    refused(caller.upload(), 9001)
    refused(caller.post("uploads", files={"picture": ("a.jpg", photo())}, seq="sr"), 9001)


def test_9001_without_a_third_code(caller: Caller):
    refused(caller.raw("uploads", data={"seq": "sr", "platform": "pc"}).json(), 9001)


def test_9001_for_an_unknown_picture_to_process_again(caller: Caller):
    refused(caller.upload(again=["0" * 32]), 9001)


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7 not a picture", encoded(scene(), "BMP"), encoded(scene(), "TIFF"), b"\x00" * 64],
    ids=["pdf", "bmp", "tiff", "noughts"],
)
def test_9005_for_another_kind_of_file(caller: Caller, content):
    refused(caller.upload(content), 9005)


def test_9006_for_an_empty_file_or_a_broken_form(caller: Caller, control: Control):
    refused(caller.upload(b""), 9006)
    headers = {"token": caller.token(), "Content-Type": "multipart/form-data; boundary=x"}
    for body in (
        b"--x\r\n",
        b"nothing",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
    ):
        refused(caller.http.post("/api/third/uploads", content=body, headers=headers).json(), 9006)
    control.set(largest_upload_bytes=1000)
    refused(caller.upload(photo()), 9006)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["echo", "engine"])
def test_9009_for_a_damaged_picture(caller: Caller, control: Control, mode, fmt):
    control.set(mode=mode)
    whole = photo(fmt=fmt)
    refused(caller.upload(whole[: len(whole) * 2 // 3]), 9009)


def test_9009_for_a_picture_damaged_in_the_middle(caller: Caller, control: Control):
    control.set(mode="engine")
    whole = bytearray(photo(fmt="PNG"))
    whole[len(whole) // 2 :: 7] = b"\x00" * len(whole[len(whole) // 2 :: 7])
    whole[-12:] = photo(fmt="PNG")[-12:]
    refused(caller.upload(bytes(whole)), 9009)


def test_one_bad_file_refuses_the_whole_upload(caller: Caller, control: Control):
    refused(caller.upload(photo(), b"no picture", photo()), 9005)
    assert control.pictures() == {}
    assert control.ledger() == []
    assert caller.nums() == 100


def test_9002_for_what_is_not_there(caller: Caller):
    refused(caller.status("0" * 32), 9002)
    refused(caller.download("0" * 32), 9002, "数据已失效,请重新上传")
    caller.third_code = "nobody"
    refused(caller.post("company/nums"), 9002, "数据未找到")


def test_500_for_other_errors(caller: Caller, control: Control):
    control.processing(60)
    refused(caller.download(caller.uploaded()[0]), 500)
