"""Version 2 of the API, call by call."""

from __future__ import annotations

import re

import httpx
import pytest

from django_hili.sandbox.server import Control
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import opened, photo


def test_the_whole_way_of_a_picture(caller: Caller):
    sent = photo()
    (mdf,) = caller.uploaded(sent)
    assert re.fullmatch(r"[0-9a-f]{32}", mdf)
    standing = caller.standing(mdf)
    assert (standing["code"], standing["task"], standing["state"]) == (1, 2002, "任务处理完成")
    assert standing["res_size"] == f"160x120px {max(1, round(len(sent) / 1024))}KB"
    answer = caller.download(mdf)
    assert answer["data"]["url"].endswith(f"/api/third/download/{mdf}01100.jpg")
    result = caller.http.get(answer["data"]["url"])
    assert result.headers["content-type"] == "image/jpeg"
    assert result.content == sent
    assert caller.nums() == 99


def test_several_files_get_their_ids_in_order(caller: Caller):
    sent = [photo(shade=shade) for shade in (0, 40, 80)]
    mdfs = caller.uploaded(*sent)
    assert len(set(mdfs)) == 3
    assert [caller.fetched(mdf).content for mdf in mdfs] == sent
    assert caller.nums() == 97


def test_the_answer_says_which_status_it_is(caller: Caller):
    (mdf,) = caller.uploaded()
    data = caller.status(mdf)["data"]
    assert data["status"] == 200
    assert data["msg"] == "获取任务状态成功"


def test_one_call_answers_for_many_pictures_in_the_order_asked(caller: Caller):
    mdfs = caller.uploaded(*[photo(shade=shade) for shade in range(0, 50, 10)])
    asked = [mdfs[3], mdfs[0], mdfs[4], mdfs[0]]
    data = caller.status(*asked)["data"]
    assert [each["mdf"] for each in data["mdfs"]] == asked


def test_one_unknown_id_spoils_a_batch(caller: Caller):
    (mdf,) = caller.uploaded()
    answer = caller.status(mdf, "0" * 32)
    assert errno(answer) == 9002
    assert answer["msg"] == "图片不存在,请确认图片是否上传成功"


def test_a_batch_can_leave_unknown_ids_out_instead(caller: Caller, control: Control):
    control.set(batch_unknown="leave_out")
    (mdf,) = caller.uploaded()
    assert [each["mdf"] for each in caller.status("0" * 32, mdf)["data"]["mdfs"]] == [mdf]
    assert errno(caller.status("0" * 32)) == 9002


def test_a_status_call_wants_a_platform_and_an_id(caller: Caller):
    assert errno(caller.post("status", platform="pc")) == 9002
    assert errno(caller.post("status", mdf=caller.uploaded()[0])) == 500
    assert errno(caller.post("status", mdf="0" * 32, platform="fax")) == 500


def test_addresses_are_filled_in_only_when_it_is_done(caller: Caller, control: Control):
    control.processing(60)
    (mdf,) = caller.uploaded()
    standing = caller.standing(mdf)
    empty = dict.fromkeys(("src_url", "wmk_url", "icon_url", "res_size"), "")
    assert standing == {"mdf": mdf, "code": 0, "task": 2001, "state": "任务排队中", **empty}
    assert errno(caller.download(mdf)) == 500
    control.travel(61)
    standing = caller.standing(mdf)
    assert standing["code"] == 1
    assert all(standing[name] for name in empty)


def test_a_picture_passes_the_stages_of_its_operations(caller: Caller, control: Control):
    control.processing(100)
    (mdf,) = caller.uploaded(seq="sr,bg,repair,scratch,colour,defogging", rgb="235,51,35")
    tasks = []
    for _ in range(50):
        task = caller.standing(mdf)["task"]
        if task not in tasks:
            tasks.append(task)
        control.travel(2.1)
    assert tasks == [2001, 2006, 2008, 2007, 2009, 2003, 2005, 2004, 2002]


def test_a_cut_out_has_no_background_stage(caller: Caller, control: Control):
    control.processing(100)
    (mdf,) = caller.uploaded(seq="bg", rgb="-1")
    control.travel(50)
    assert caller.standing(mdf)["task"] == 2005
    control.travel(45)
    assert caller.standing(mdf)["task"] == 2005


def test_process_again_makes_a_new_picture_of_an_old_one(caller: Caller, control: Control):
    sent = [photo(), photo(shade=50)]
    first = caller.uploaded(*sent)
    again = caller.upload(again=[first[1], first[0]], seq="repair")["data"]["mdf"]
    assert not set(first) & set(again)
    assert [caller.fetched(mdf).content for mdf in again] == [sent[1], sent[0]]
    assert caller.nums() == 96
    events = [(entry["event"], entry["credits"]) for entry in control.ledger()[:4]]
    assert events == [("accepted", 1), ("accepted", 1), ("again", 1), ("again", 1)]


def test_process_again_may_be_free(caller: Caller, control: Control):
    control.set(charge_again=False)
    (mdf,) = caller.uploaded()
    assert caller.upload(again=[mdf])["code"] == 200
    assert caller.nums() == 99


def test_process_again_lives_on_when_the_first_one_is_forgotten(caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    control.travel(3000)
    (again,) = caller.upload(again=[mdf])["data"]["mdf"]
    control.travel(700)
    assert errno(caller.status(mdf)) == 9002
    assert opened(caller.fetched(again).content).size == (160, 120)


def test_files_and_ids_go_in_one_upload(caller: Caller):
    (old,) = caller.uploaded(photo(shade=9))
    mdfs = caller.upload(photo(), again=[old])["data"]["mdf"]
    assert [len(caller.fetched(mdf).content) for mdf in mdfs] == [
        len(photo()),
        len(photo(shade=9)),
    ]


def test_nobody_sees_the_pictures_of_another_partner(caller: Caller, control: Control):
    control.add_partner("other", "other-secret", credit_count=5)
    other = Caller(str(caller.http.base_url), third_code="other", secret="other-secret")
    (mdf,) = caller.uploaded()
    with other.http:
        assert errno(other.status(mdf)) == 9002
        assert errno(other.download(mdf)) == 9002
        assert errno(other.upload(again=[mdf])) == 9001
    assert caller.download(mdf)["code"] == 200


def test_a_result_is_served_only_after_it_was_granted(caller: Caller):
    (mdf,) = caller.uploaded()
    address = f"/api/third/download/{mdf}01100.jpg"
    assert caller.http.get(address).status_code == 404
    caller.download(mdf)
    assert caller.http.get(address).status_code == 200
    assert caller.http.head(address).headers["content-length"] == str(len(photo()))


@pytest.mark.parametrize("name", ["nothing.jpg", "../../etc/passwd", f"{'0' * 32}01100.jpg"])
def test_a_foreign_name_is_no_result(caller: Caller, name):
    assert caller.http.get(f"/api/third/download/{name}").status_code == 404


@pytest.mark.parametrize(("fmt", "ending"), [("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp")])
def test_the_other_formats_are_taken_too(caller: Caller, fmt, ending):
    (mdf,) = caller.uploaded(photo(fmt=fmt))
    result = caller.fetched(mdf)
    assert str(result.url).endswith(f".{ending}")
    assert opened(result.content).format == fmt


def test_a_form_need_not_be_multipart(caller: Caller):
    (mdf,) = caller.uploaded()
    body = f"third_code=site&platform=pc&mdf={mdf}"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "token": caller.token()}
    answer = caller.http.post("/api/third/status", content=body, headers=headers)
    assert answer.json()["data"]["mdfs"][0]["mdf"] == mdf


def test_another_method_is_not_allowed(caller: Caller):
    assert caller.http.get("/api/third/uploads").status_code == 405


def test_results_may_live_at_another_address(caller: Caller, control: Control):
    control.set(result_base_url="https://files.example.org")
    (mdf,) = caller.uploaded()
    url = httpx.URL(caller.download(mdf)["data"]["url"])
    assert (url.scheme, url.host) == ("https", "files.example.org")


def test_processing_times_are_drawn_from_the_range_and_repeat_with_the_seed(
    caller: Caller, control: Control
):
    control.processing(5, 20)
    drawn = []
    for seed in (1, 2, 1):
        control.set(seed=seed)
        mdfs = caller.uploaded(*[photo()] * 5)
        known = control.pictures()
        drawn.append([round(known[m]["ready_at"] - known[m]["accepted_at"], 6) for m in mdfs])
    assert all(5 <= seconds <= 20 for row in drawn for seconds in row)
    assert drawn[0] != drawn[1]
    assert drawn[0] == drawn[2]
