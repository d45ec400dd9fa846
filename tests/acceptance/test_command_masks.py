"""hili_enhance shows what scratch has filled, and takes a mask drawn by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image, ImageDraw

from django_hili.jobs.worker.masks import Masks
from django_hili.models import Media, PhotoJob
from django_hili.providers.local import LocalProvider
from django_hili.vocabulary import Capabilities
from tests import photos

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
SIZE = (240, 160)
LINE = (20, 70, 220, 78)
"""A scratch from side to side, falling a little."""


HOUR = dt.timedelta(hours=1)


class Maskless(LocalProvider):
    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, takes_masks=False)


def nothing_left(stored) -> bool:
    return not (PhotoJob.objects.exists() or Media.objects.exists() or stored())


def slope() -> np.ndarray:
    """A smooth slope of colours."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return np.stack([60 + x // 3, 50 + y // 2, 90 + (x + y) // 8], 2)


def scratched() -> Image.Image:
    """The slope with one white scratch."""
    picture = Image.fromarray(slope().astype(np.uint8))
    ImageDraw.Draw(picture).line(LINE, fill=(250, 250, 245), width=2)
    return picture


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "old.png"
    scratched().save(path)
    return path


@pytest.fixture
def mask(tmp_path):
    """Drawn by hand around the right half of the scratch."""
    path = tmp_path / "drawn.png"
    drawn = Image.new("L", SIZE, 0)
    ImageDraw.Draw(drawn).line((120, 74, 222, 78), fill=255, width=7)
    drawn.save(path)
    return path


def levels(path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def test_what_was_filled_is_written_beside_the_result(photo, tmp_path, capsys, stored):
    out = tmp_path / "new.png"
    call_command(
        "hili_enhance", str(photo), "--out", str(out), "--operations", "scratch", "--save-mask"
    )
    with Image.open(tmp_path / "new.png.mask.png") as opened:
        shown = np.asarray(opened.convert("L"))
    assert set(np.unique(shown)) == {0, 255}
    assert shown.shape == SIZE[::-1]
    changed = (levels(out) != levels(photo)).any(2)
    assert changed.any()
    assert not changed[shown == 0].any()
    line = Image.new("L", SIZE)
    ImageDraw.Draw(line).line(LINE, fill=255, width=2)
    assert shown[np.asarray(line) > 0].mean() > 0.9 * 255
    assert "new.png.mask.png: what scratch has filled" in capsys.readouterr().out
    assert nothing_left(stored)


def test_what_was_filled_is_as_large_as_the_photo_that_came(photo, tmp_path):
    (tmp_path / "results").mkdir()
    call_command(
        "hili_enhance", str(photo), "--out", str(tmp_path / "results"), "--save-mask",
        "--operations", "scratch,sr", "--scale", "2",
    )  # fmt: skip
    sizes = {}
    for path in (tmp_path / "results").iterdir():
        with Image.open(path) as opened:
            sizes[path.name] = opened.size
    assert sizes == {"old.png": (480, 320), "old.png.mask.png": SIZE}


def test_where_nothing_is_found_the_mask_is_black(tmp_path):
    path, out = tmp_path / "clean.png", tmp_path / "o.png"
    path.write_bytes(photos.png())
    call_command(
        "hili_enhance", str(path), "--out", str(out), "--operations", "scratch", "--save-mask"
    )
    assert levels(tmp_path / "o.png.mask.png").max() == 0


@pytest.mark.parametrize("kind", ["grey", "jpeg", "painted on nothing"])
def test_exactly_what_was_drawn_is_filled(photo, mask, tmp_path, capsys, kind):
    with Image.open(mask) as opened:
        drawn = opened.convert("L")
    if kind == "jpeg":
        mask = tmp_path / "drawn.jpg"
        drawn.save(mask, quality=95)
    elif kind == "painted on nothing":
        painted = Image.new("RGBA", SIZE, (255, 255, 255, 0))
        painted.putalpha(drawn)
        painted.save(mask)
    out = tmp_path / "new.png"
    call_command(
        "hili_enhance", str(photo), "--out", str(out), "--operations", "scratch",
        "--mask", str(mask),
    )  # fmt: skip
    assert "scratch: mask:drawn" in capsys.readouterr().out
    before, after = levels(photo), levels(out)
    inside = np.asarray(drawn) >= 128
    assert np.array_equal(after[~inside], before[~inside])
    assert np.array_equal(after[:, :115], before[:, :115])  # the half that was not drawn stays
    inside[:, :130] = False  # there the filling starts from what is left of the scratch
    assert np.abs(after[inside] - slope()[inside]).max() <= 6


def test_a_mask_that_was_saved_can_be_corrected_and_given_back(photo, tmp_path):
    words = ("--operations", "scratch")
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    call_command("hili_enhance", str(photo), "--out", str(first), *words, "--save-mask")
    call_command(
        "hili_enhance", str(photo), "--out", str(second), *words,
        "--mask", str(tmp_path / "first.png.mask.png"),
    )  # fmt: skip
    assert np.array_equal(levels(first), levels(second))


def test_a_mask_is_for_one_photo_of_its_size_and_for_scratch(photo, mask, tmp_path, stored):
    other, none = tmp_path / "other.png", tmp_path / "none.txt"
    other.write_bytes(photos.png())
    none.write_text("no picture")
    one = (str(photo), "--out", str(tmp_path / "o.png"))
    (tmp_path / "results").mkdir()
    two = (str(photo), str(other), "--out", str(tmp_path / "results"))
    scratch = ("--operations", "scratch")
    for words, said in (
        ((*two, *scratch, "--mask", str(mask)), "drawn for one photo, and these are 2"),
        ((*one, *scratch, "--mask", str(other)), r"60×40, the photo 240×160.*\[mask_size_wrong\]"),
        ((*one, *scratch, "--mask", str(tmp_path / "no.png")), "There is no file"),
        ((*one, *scratch, "--mask", str(none)), r"\[photo_not_an_image\]"),
        ((*one, "--operations", "repair", "--mask", str(mask)), "mask: A mask only goes with"),
        ((*one, "--operations", "repair", "--save-mask"), "mask: A mask only goes with"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("hili_enhance", *words)
    assert not (tmp_path / "o.png").exists()
    assert nothing_left(stored)


def test_a_provider_that_takes_no_masks_is_not_given_one(settings, photo, mask, tmp_path):
    settings.HILI = {
        "PROVIDERS": {"local": {"BACKEND": "tests.acceptance.test_command_masks.Maskless"}}
    }
    with pytest.raises(CommandError, match="mask: This provider takes no masks"):
        call_command(
            "hili_enhance", str(photo), "--out", str(tmp_path / "o.png"),
            "--operations", "scratch", "--mask", str(mask),
        )  # fmt: skip


def test_a_mask_of_before_is_left_alone_unless_told(photo, tmp_path):
    there = tmp_path / "o.png.mask.png"
    there.write_bytes(b"mine")
    words = ("hili_enhance", str(photo), "--out", str(tmp_path / "o.png"))
    words += ("--operations", "scratch", "--save-mask")
    with pytest.raises(CommandError, match="result_exists"):
        call_command(*words)
    assert there.read_bytes() == b"mine"
    call_command(*words, "--overwrite")
    assert there.read_bytes().startswith(b"\x89PNG")


def test_a_result_made_without_the_mask_is_not_taken_for_one_with_it(
    photo, mask, tmp_path, monkeypatch, stored
):
    """As where the site's own worker took the photo up, who knows of no mask."""
    monkeypatch.setattr(Masks, "expect", lambda *_, **__: None)
    monkeypatch.setattr("django_hili.management.commands.hili_enhance.HEAD_START", -HOUR)
    out = tmp_path / "o.png"
    with pytest.raises(CommandError, match="without the mask"):
        call_command(
            "hili_enhance", str(photo), "--out", str(out), "--operations", "scratch",
            "--mask", str(mask),
        )  # fmt: skip
    assert not out.exists()
    assert nothing_left(stored)
