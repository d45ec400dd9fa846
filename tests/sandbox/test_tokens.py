"""The token: the documents' vector, and the two minutes in which it is good."""

from __future__ import annotations

import pytest

from django_hili.sandbox.server import Control
from django_hili.sandbox.tokens import is_valid, sign
from tests.sandbox.conftest import Caller

VECTOR = "5484490c8e797dabe52af90ab8bd1e50,1629962357"


def test_the_vector_of_the_documents():
    assert sign(secret_key="hiliad", time="1629962357") == VECTOR


@pytest.mark.parametrize(
    ("off", "is_good"), [(0, True), (120, True), (-120, True), (121, False), (-121, False)]
)
def test_a_token_is_good_for_two_minutes_either_way(off, is_good):
    now = 1629962357.0 + off
    assert is_valid(VECTOR, secret_key="hiliad", now=now, window_seconds=120) is is_good


@pytest.mark.parametrize(
    "token",
    [
        "",
        ",",
        "1629962357",
        "5484490c8e797dabe52af90ab8bd1e50",
        "5484490c8e797dabe52af90ab8bd1e50,",
        "5484490c8e797dabe52af90ab8bd1e50,now",
        "5484490c8e797dabe52af90ab8bd1e50,1629962357,1629962357",
        "5484490c8e797dabe52af90ab8bd1e50, 1629962357",
        "5484490c8e797dabe52af90ab8bd1e50,-1629962357",
        "5484490C8E797DABE52AF90AB8BD1E50,1629962357",
        "5484490c8e797dabe52af90ab8bd1e5é,1629962357",
        "5484490c8e797dabe52af90ab8bd1e50,١٦٢٩٩٦٢٣٥٧",
    ],
)
def test_what_is_not_a_token_is_refused(token):
    assert not is_valid(token, secret_key="hiliad", now=1629962357.0, window_seconds=120)


CALLS = [
    "uploads",
    "status",
    "download",
    "company/nums",
    "photo/upload",
    "photo/status",
    "photo/download",
]


@pytest.mark.parametrize("path", CALLS)
def test_every_call_wants_a_good_token(caller: Caller, path):
    for token in ("", caller.token(off=-130), caller.token(off=130), VECTOR):
        data = {"third_code": caller.third_code}
        answer = caller.raw(path, data=data, token=token)
        assert answer.json() == {"code": 9000, "errno": 9999, "msg": "请求参数token不合法"}


def test_a_token_of_another_secret_is_refused(caller: Caller):
    stranger = Caller(str(caller.http.base_url), secret="not-its-secret")
    with stranger.http:
        assert stranger.post("company/nums")["errno"] == 9999


def test_a_partner_gets_a_new_secret(caller: Caller, control: Control):
    control.add_partner("site", "new-secret")
    assert caller.post("company/nums")["errno"] == 9999
    caller.secret = "new-secret"
    assert caller.nums() == 100
