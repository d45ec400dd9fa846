"""The contact sheet: captions in any script, never empty boxes; the mark of what it shows."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from django_hili.imaging import captions
from django_hili.imaging.contact_sheet import ContactSheet
from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png, mark_of

SCRIPTS = ["photos/anna.jpg", "照片/安娜.jpg", "写真/アンナ.jpg", "фото/Анна.jpg", "사진/안나.jpg"]
PHOTO = Image.new("RGB", (60, 40), (10, 140, 60))


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(captions, "_installed", lambda size: ())


def sheet_of(*names: str, mark: SourceType | None = SourceType.ENHANCED) -> ContactSheet:
    sheet = ContactSheet()
    for name in names:
        sheet.add(encode_jpeg(PHOTO), encode_png(PHOTO, mark=mark), caption=name)
    return sheet


def box_of_a_missing_letter(font) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask("\U0010ffff")
    return mask.size, bytes(mask)


@pytest.mark.parametrize("caption", SCRIPTS)
def test_every_letter_is_drawn_by_a_typeface_that_has_it(caption):
    font = captions.font_for(caption, 14)
    if font is None:
        assert sheet_of(caption).numbered == [(1, caption)]
        return
    missing = box_of_a_missing_letter(font)
    for letter in caption:
        mask = font.getmask(letter)
        assert (mask.size, bytes(mask)) != missing


@pytest.mark.usefixtures("nothing_installed")
def test_without_a_typeface_a_number_stands_there_and_the_list_explains_it():
    sheet = sheet_of(*SCRIPTS)
    assert sheet.numbered[0] == (2, "照片/安娜.jpg")
    assert 1 not in dict(sheet.numbered)
    # What is drawn below the second pair is "#2" and nothing else.
    plain = sheet_of("photos/anna.jpg", "#2", *SCRIPTS[2:])
    assert np.array_equal(np.asarray(sheet.draw()), np.asarray(plain.draw()))


def test_pillows_own_typeface_is_preferred():
    own = ImageFont.load_default(14)
    assert captions.font_for("anna.jpg", 14).getname() == own.getname()


@pytest.mark.parametrize("mark", [None, *SourceType])
def test_the_sheet_carries_the_mark_of_what_it_shows(mark):
    content = sheet_of("anna.jpg", mark=mark).encode()
    assert mark_of(content) is mark
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "JPEG"


def test_the_strongest_mark_counts():
    sheet = sheet_of("a.jpg", mark=SourceType.ENHANCED)
    sheet.add(encode_jpeg(PHOTO), encode_jpeg(PHOTO, mark=SourceType.MODEL), caption="b.jpg")
    assert mark_of(sheet.encode()) is SourceType.MODEL
