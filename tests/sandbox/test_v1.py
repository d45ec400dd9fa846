"""Version 1 of the API, call by call."""

from __future__ import annotations

from typing import Any

import pytest

from django_hili.sandbox.server import Control
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import opened, photo


def upload(caller: Caller, *, repair_type: str = "sr", **fields: Any) -> dict[str, Any]:
    files = {"file": ("photo.jpg", photo())}
    return caller.post("photo/upload", files=files, repair_type=repair_type, **fields)


def test_the_whole_way_of_a_picture(caller: Caller):
    data = upload(caller)["data"]
    mdf = data["mdf"]
    assert isinstance(mdf, str)
    assert caller.http.get(data["img_url"]).content == photo()
    answer = caller.post("photo/status", mdf=mdf)
    assert answer == {"code": 200, "data": {"msg": "图片处理完成", "status": 200}}
    url = caller.post("photo/download", mdf=mdf)["data"]["url"]
    assert opened(caller.http.get(url).content).size == (160, 120)
    assert caller.nums() == 99


def test_a_picture_in_work_has_status_100(caller: Caller, control: Control):
    control.processing(60)
    mdf = upload(caller)["data"]["mdf"]
    answer = caller.post("photo/status", mdf=mdf)
    assert answer == {"code": 200, "data": {"msg": "图片处理中", "status": 100}}


@pytest.mark.parametrize("repair_type", ["sr", "sr,repair", "sr,repair,colour"])
def test_the_repair_types(caller: Caller, repair_type):
    assert upload(caller, repair_type=repair_type)["code"] == 200


def test_a_background_takes_any_colour(caller: Caller):
    assert upload(caller, repair_type="bg", rgb="12,34,56")["code"] == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"repair_type": "repair"},
        {"repair_type": "repair,sr"},
        {"repair_type": "sr,colour"},
        {"repair_type": "defogging"},
        {"repair_type": ""},
        {"repair_type": "bg"},
        {"repair_type": "bg", "rgb": "-1"},
        {"repair_type": "bg", "rgb": "256,0,0"},
        {"repair_type": "bg", "rgb": "white"},
    ],
)
def test_anything_else_is_refused(caller: Caller, fields):
    assert errno(upload(caller, **fields)) == 9001
    assert caller.nums() == 100


def test_one_file_at_a_time(caller: Caller):
    files = [("file", ("a.jpg", photo())), ("file", ("b.jpg", photo()))]
    assert errno(caller.post("photo/upload", files=files, repair_type="sr")) == 9001
    assert errno(caller.post("photo/upload", repair_type="sr")) == 9001


def test_an_unknown_picture(caller: Caller):
    status = caller.post("photo/status", mdf="0" * 32)
    assert (errno(status), status["msg"]) == (9002, "图片不存在,请确认图片是否上传成功")
    download = caller.post("photo/download", mdf="0" * 32)
    assert (errno(download), download["msg"]) == (9002, "数据已失效,请重新上传")


def test_a_failed_picture_is_an_error(caller: Caller, control: Control):
    control.fault("fails", "uploads")
    mdf = upload(caller)["data"]["mdf"]
    answer = caller.post("photo/status", mdf=mdf)
    assert errno(answer) == 500
    assert answer["msg"] == "任务处理失败:模型处理异常"
