"""Photos cut for documents, measured on drawn heads."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, JpegImagePlugin

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError
from django_hili.imaging.documents import DOCUMENTS, MM_PER_INCH
from django_hili.imaging.encode import SourceType, encode_jpeg, mark_of
from django_hili.imaging.id_photo import FaceBox, make_id_photo
from tests import photos

FACE = FaceBox(1050, 750, 1500, 1350)
WALL, SKIN = (90, 120, 160), (230, 180, 150)


@pytest.fixture
def person():
    """A head of one colour before a wall, exactly in its box."""
    image = Image.new("RGB", (2550, 3000), WALL)
    ImageDraw.Draw(image).rectangle((1050, 750, 1499, 1349), fill=SKIN)
    return image


def head_of(image) -> tuple[float, float, float, float]:
    """The head's edges in a result, in pixels, to parts of one."""
    near = np.abs(np.asarray(image).astype(float) - SKIN).sum(axis=2)
    far = np.abs(np.subtract(SKIN, WALL)).sum()
    share = np.clip(1 - near / far, 0, 1)
    rows, columns = share.max(axis=1), share.max(axis=0)
    top, left = int(np.argmax(rows > 0.5)), int(np.argmax(columns > 0.5))
    return left, top, left + columns.sum(), top + rows.sum()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_size_resolution_and_type_are_exact(person, name):
    document = DOCUMENTS[name]
    for kind in ("jpeg", "png"):
        made = make_id_photo(person, document=document, face=FACE, file_format=kind)
        with Image.open(io.BytesIO(made.content)) as opened:
            assert opened.size == document.size == made.pixels.size
            assert round(opened.info["dpi"][0]) == round(opened.info["dpi"][1]) == 300
            assert opened.format == kind.upper()
            assert opened.mode == "RGB"
            assert not opened.getexif()


@pytest.mark.parametrize("name", [name for name, d in DOCUMENTS.items() if d.head_mm])
def test_the_head_is_where_the_document_wants_it(person, name):
    document = DOCUMENTS[name]
    made = make_id_photo(person, document=document, face=FACE)
    left, top, right, bottom = (
        edge / document.dpi * MM_PER_INCH for edge in head_of(made.pixels)
    )  # fmt: skip
    assert document.head_mm[0] <= bottom - top <= document.head_mm[1]
    assert (left + right) / 2 == pytest.approx(document.width_mm / 2, abs=0.3)
    if document.top_mm:
        assert document.top_mm[0] <= top <= document.top_mm[1]
    if document.eyes_mm:
        eyes = document.height_mm - (top + bottom) / 2
        assert document.eyes_mm[0] <= eyes <= document.eyes_mm[1]
    assert made.warnings == ()


def test_nothing_is_stretched(person):
    made = make_id_photo(person, document=DOCUMENTS["us-passport"], face=FACE)
    left, top, right, bottom = head_of(made.pixels)
    assert (bottom - top) / (right - left) == pytest.approx(400 / 300, rel=0.02)


def test_without_a_face_the_middle_is_taken_and_told(person):
    document = DOCUMENTS["cn-1-inch"]
    made = make_id_photo(person, document=document)
    assert made.warnings == (Code.WARN_CENTRE_CROP,)
    for size, middle in (
        ((3000, 1400), (1000, 0, 2000, 1400)),
        ((1000, 4200), (0, 1400, 1000, 2800)),
    ):
        image = Image.new("RGB", size, WALL)
        image.paste(SKIN, middle)
        shown = np.asarray(make_id_photo(image, document=document).pixels)
        assert np.abs(shown[2:-2, 2:-2].astype(int) - SKIN).max() <= 2


def test_what_lies_beyond_the_photo_is_background_and_told(person):
    tight = person.crop((975, 720, 1575, 1380))
    face = FaceBox(75, 30, 525, 630)
    made = make_id_photo(
        tight, document=DOCUMENTS["us-passport"], face=face, background=(10, 200, 30)
    )
    assert Code.WARN_FACE_NEAR_EDGE in made.warnings
    for corner in ((0, 0), (599, 0), (0, 599), (599, 599)):
        assert made.pixels.getpixel(corner) == (10, 200, 30)
    left, top, right, bottom = head_of(made.pixels)
    assert (bottom - top) / (right - left) == pytest.approx(400 / 300, rel=0.03)


def test_a_small_photo_is_enlarged_and_told(person):
    small = person.resize((170, 200))
    face = FaceBox(70, 50, 100, 90)
    made = make_id_photo(small, document=DOCUMENTS["eu-passport"], face=face)
    assert made.warnings == (Code.WARN_ENLARGED,)


def test_transparency_shows_the_background(person):
    cut_out = person.convert("RGBA")
    cut_out.putalpha(Image.new("L", person.size, 0))
    document = DOCUMENTS["uk-passport"]
    made = make_id_photo(cut_out, document=document, face=FACE)
    assert made.pixels.getpixel((5, 5)) == document.background
    red = make_id_photo(cut_out, document=document, face=FACE, background=(200, 0, 0))
    assert red.pixels.getpixel((5, 5)) == (200, 0, 0)


def test_the_best_quality_that_fits_is_found():
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 255, (600, 600, 3), np.uint8))
    document = DOCUMENTS["us-passport"]
    free = make_id_photo(noise, document=document)
    assert free.quality == 95
    size = len(free.content)
    limit = int(size * 0.6 / 1000)
    made = make_id_photo(noise, document=document, max_kb=limit)
    assert len(made.content) <= limit * 1000
    assert 50 <= made.quality < 95
    # One step better would be too large.
    better = encode_jpeg(made.pixels, quality=made.quality + 1, dpi=300, optimize=True)
    assert len(better) > limit * 1000


def test_a_documents_own_limit_holds():
    grain = Image.fromarray(np.random.default_rng(3).integers(90, 160, (600, 600, 3), np.uint8))
    assert len(make_id_photo(grain, document=DOCUMENTS["us-passport"]).content) > 240_000
    made = make_id_photo(grain, document=DOCUMENTS["us-visa-digital"])
    assert len(made.content) <= 240_000


def test_less_colour_is_tried_before_a_size_is_refused():
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 255, (600, 600, 3), np.uint8))
    document = DOCUMENTS["cn-1-inch"]
    full = make_id_photo(noise, document=document)
    worst = {"dpi": 300, "quality": 50, "optimize": True}
    sizes = [len(encode_jpeg(full.pixels, subsampling=s, **worst)) for s in (0, 2)]
    made = make_id_photo(noise, document=document, max_kb=sum(sizes) // 2000)
    assert len(made.content) <= sum(sizes) // 2 < sizes[0]
    for content, sampling in ((full.content, 0), (made.content, 2)):
        with Image.open(io.BytesIO(content)) as opened:
            assert JpegImagePlugin.get_sampling(opened) == sampling


def test_a_chinese_passport_photo_is_as_small_as_the_service_asks():
    grain = Image.fromarray(np.random.default_rng(3).integers(60, 200, (800, 600, 3), np.uint8))
    assert len(make_id_photo(grain, document=DOCUMENTS["cn-passport"]).content) <= 80_000


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_size_that_cannot_be_reached_is_refused(kind):
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 255, (600, 600, 3), np.uint8))
    with pytest.raises(InvalidOptionsError, match="9 KB") as refusal:
        make_id_photo(noise, document=DOCUMENTS["us-passport"], max_kb=9, file_format=kind)
    assert refusal.value.code == Code.FILE_SIZE_UNREACHABLE


@pytest.mark.parametrize(
    "face",
    [FaceBox(-1, 0, 5, 5), FaceBox(5, 0, 5, 5), FaceBox(0, 9, 5, 5), FaceBox(0, 0, 5, 3001)],
)
def test_a_face_outside_the_photo_is_refused(person, face):
    with pytest.raises(InvalidOptionsError) as refusal:
        make_id_photo(person, document=DOCUMENTS["cn-1-inch"], face=face)
    assert refusal.value.code == Code.FACE_BOX_INVALID


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "1,2,3,4,5", "nan,1,2,3"])
def test_face_boxes_are_read_or_refused(person, text):
    with pytest.raises(InvalidOptionsError):
        make_id_photo(person, document=DOCUMENTS["cn-1-inch"], face=FaceBox.parse(text))


def test_the_mark_goes_along(person):
    document = DOCUMENTS["cn-1-inch"]
    assert mark_of(photos.seeded_jpeg()) is None
    for mark in SourceType:
        for kind in ("jpeg", "png"):
            made = make_id_photo(person, document=document, face=FACE, mark=mark, file_format=kind)
            assert mark_of(made.content) is mark
