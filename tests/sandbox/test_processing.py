"""The photos themselves: really enhanced, honestly failed, visibly watermarked."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from django_hili.sandbox.server import Control
from tests.sandbox.conftest import Caller
from tests.sandbox.photos import encoded, opened, photo, scene, sitter


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference of two pictures, in levels."""
    delta = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return sum(ImageStat.Stat(delta).mean) / 3


@pytest.mark.parametrize(("rate", "factor"), [("0", 2), ("2", 2), ("4", 4)])
def test_super_resolution_is_real(caller: Caller, control: Control, rate, factor):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(rate=rate, type="landscape")
    standing = caller.finished(mdf)
    assert standing["code"] == 1, standing
    result = opened(caller.fetched(mdf).content)
    assert result.size == (160 * factor, 120 * factor)
    assert standing["res_size"].startswith(f"{160 * factor}x{120 * factor}px ")
    # The same picture, not merely one of that size.
    smaller = result.resize((160, 120), Image.Resampling.BOX)
    assert difference(smaller, scene()) < 6


def test_the_resolution_asked_for_is_written(caller: Caller, control: Control):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(dpi="300", rate="2")
    assert caller.finished(mdf)["code"] == 1
    assert opened(caller.fetched(mdf).content).info["dpi"] == (300, 300)


def test_a_photo_is_turned_upright(caller: Caller, control: Control):
    control.set(mode="engine")
    exif = Image.Exif()
    exif[0x0112] = 6
    scene(60, 40).save(lying := io.BytesIO(), "JPEG", exif=exif)
    (mdf,) = caller.uploaded(lying.getvalue(), rate="2")
    assert caller.finished(mdf)["code"] == 1
    assert opened(caller.fetched(mdf).content).size == (80, 120)


def test_a_cut_out_is_transparent(caller: Caller, control: Control):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(encoded(sitter()), seq="bg", rgb="-1")
    assert caller.finished(mdf)["code"] == 1
    answer = caller.fetched(mdf)
    assert answer.headers["content-type"] == "image/png"
    result = opened(answer.content)
    assert (result.mode, result.size) == ("RGBA", (300, 380))
    assert (result.getpixel((4, 4))[3], result.getpixel((150, 150))[3]) == (0, 255)


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [("235,51,35", (235, 51, 35)), ("85,142,213", (85, 142, 213)), ("255,255,255", (255,) * 3)],
)
def test_a_background_has_the_colour_asked_for(
    caller: Caller, control: Control, rgb: str, colour: tuple[int, int, int]
):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(encoded(sitter()), seq="bg", rgb=rgb)
    assert caller.finished(mdf)["code"] == 1
    result = opened(caller.fetched(mdf).content)
    assert result.getpixel((4, 4)) == pytest.approx(colour, abs=3)
    assert result.getpixel((150, 150)) == pytest.approx((214, 166, 136), abs=12)


def test_what_the_engine_refuses_fails_with_its_reason(caller: Caller, control: Control):
    control.set(mode="engine")
    busy = Image.effect_noise((200, 200), 90).convert("RGB")
    (mdf,) = caller.uploaded(encoded(busy), seq="bg", rgb="-1")
    standing = caller.finished(mdf)
    assert standing["code"] == 2
    assert standing["state"].startswith("任务处理失败:busy_background: ")


def test_what_the_engine_lacks_fails_and_says_so(caller: Caller, control: Control):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(seq="colour,sr")
    standing = caller.finished(mdf)
    assert (standing["code"], standing["task"]) == (2, 2010)
    assert standing["state"].startswith("任务处理失败:colour: ")


def test_a_result_over_the_limit_fails(caller: Caller, control: Control):
    control.set(mode="engine")
    (mdf,) = caller.uploaded(photo(1000, 20), rate="8")
    standing = caller.finished(mdf)
    assert (standing["code"], standing["state"][:6]) == (2, "任务处理失败")
    assert "6000" in standing["state"]


def test_cheap_means_encoded_again(caller: Caller, control: Control):
    control.set(mode="cheap")
    (mdf,) = caller.uploaded(photo(fmt="PNG"))
    assert caller.finished(mdf)["code"] == 1
    result = opened(caller.fetched(mdf).content)
    assert (result.format, result.size) == ("JPEG", (160, 120))
    assert difference(result, scene()) < 3


def test_the_shortest_time_holds_however_quick_the_work_is(caller: Caller, control: Control):
    control.set(mode="cheap")
    control.processing(60)
    (mdf,) = caller.uploaded()
    assert caller.standing(mdf)["code"] == 0
    control.travel(61)
    assert caller.finished(mdf)["code"] == 1


def test_preview_and_thumbnail(caller: Caller):
    large = scene(1000, 600)
    (mdf,) = caller.uploaded(encoded(large))
    standing = caller.standing(mdf)
    preview = opened(caller.http.get(standing["wmk_url"]).content)
    icon = opened(caller.http.get(standing["icon_url"]).content)
    assert (preview.size, icon.size) == ((800, 480), (160, 96))
    small = large.resize(preview.size, Image.Resampling.LANCZOS)
    changed = ImageChops.difference(preview, small).convert("L")
    # The watermark is seen in every ninth of the preview, and leaves most of it alone.
    for row in range(3):
        for column in range(3):
            box = (column * 266, row * 160, column * 266 + 266, row * 160 + 160)
            assert changed.crop(box).getextrema()[1] > 40
    histogram = changed.histogram()
    assert sum(histogram[30:]) < 0.25 * 800 * 480
    # The thumbnail bears none.
    assert difference(icon, large.resize(icon.size, Image.Resampling.LANCZOS)) < 4


def test_a_transparent_picture_is_previewed_on_a_chequered_ground(caller: Caller):
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    (mdf,) = caller.uploaded(encoded(clear, "PNG"))
    icon = opened(caller.http.get(caller.standing(mdf)["icon_url"]).content)
    light, dark = icon.getpixel((8, 8)), icon.getpixel((24, 8))
    assert sorted([min(light), min(dark)]) == pytest.approx([225, 255], abs=6)


def test_no_preview_before_it_is_done(caller: Caller, control: Control):
    control.processing(60)
    (mdf,) = caller.uploaded()
    assert caller.http.get(f"/static/img/{mdf}_wmk.jpg").status_code == 404
    assert caller.http.get(f"/static/img/{mdf}_icon.jpg").status_code == 404
