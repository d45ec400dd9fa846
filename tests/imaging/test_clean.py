"""A cleaned photo holds the photo and nothing else."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError
from django_hili.imaging.clean import clean
from django_hili.imaging.encode import SourceType, mark_of
from django_hili.imaging.marking import marked
from tests import photos

SEEDED = {
    "jpeg": photos.seeded_jpeg(),
    "turned jpeg": photos.seeded_jpeg(orientation=6),
    "png": photos.seeded_png(),
    "webp": photos.seeded_webp(),
}


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


@pytest.mark.parametrize("kind", SEEDED)
@pytest.mark.clause(
    "AIART-1.2.2", "PIXEL-1.1.2.2", "PIXEL-1.1.2.5", "MIAO-2.1a", "HILI-1.3.2", "HILI-0.3"
)
def test_nothing_personal_is_left(kind):
    content = SEEDED[kind]
    planted = [word for word in photos.CANARIES.values() if word.encode() in content]
    assert planted, "the plant itself is missing"
    cleaned = clean(content, max_megapixels=40).content
    left = [word for word in photos.CANARIES.values() if word.encode() in cleaned]
    assert left == []
    opened = Image.open(io.BytesIO(cleaned))
    assert not dict(opened.getexif())
    assert not {"comment", "xmp", "icc_profile", "exif"} & set(opened.info)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mark", SourceType)
def test_what_made_the_photo_is_told_beside_it_and_nothing_else_of_its_xmp(kind, mark):
    told = mark.xmp.replace(b"<rdf:Description ", b'<rdf:Description dc:creator="Anna Canary" ')
    options = {"tiffinfo": {700: told}} if kind == "TIFF" else {"xmp": told}
    if kind == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", told.decode())
    content = photos.saved(photos.picture(), kind, **options)
    assert b"Anna Canary" in content
    cleaned = clean(content, max_megapixels=40)
    assert cleaned.mark is mark
    assert mark_of(cleaned.content) is None
    again = marked(cleaned)
    assert mark_of(again) is mark
    assert mark.xmp in again
    assert b"Canary" not in again


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_plain_photo_keeps_every_pixel(kind):
    content = SEEDED[kind]
    assert (pixels(clean(content, max_megapixels=40).content) == pixels(content)).all()


def test_a_plain_photo_is_copied_and_not_coded_again():
    content = photos.jpeg(320, 200)
    scan = content[content.index(b"\xff\xda") :]
    assert scan in clean(content, max_megapixels=40).content


def test_progressive_and_restart_markers_survive():
    for options in ({"progressive": True}, {"restart_marker_blocks": 2}, {"optimize": True}):
        content = photos.jpeg(200, 120, **options)
        assert (pixels(clean(content, max_megapixels=40).content) == pixels(content)).all()


def test_a_turned_photo_is_made_upright():
    cleaned = clean(photos.seeded_jpeg(orientation=6), max_megapixels=40)
    assert (cleaned.width, cleaned.height) == (40, 60)
    upright = np.rot90(pixels(photos.jpeg()), -1)
    assert abs(pixels(cleaned.content) - upright).mean() < 3


def test_another_colour_space_becomes_srgb():
    lab = ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(
        photos.picture(), ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
    )
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    content = photos.saved(image, "TIFF", icc_profile=profile)
    cleaned = clean(content, max_megapixels=40)
    assert abs(pixels(cleaned.content) - pixels(photos.png())).mean() < 3


def test_alpha_is_kept():
    image = photos.picture(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    for kind in ("PNG", "WEBP", "TIFF"):
        content = photos.saved(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
        cleaned = Image.open(io.BytesIO(clean(content, max_megapixels=40).content))
        assert cleaned.mode == "RGBA"
        assert (np.asarray(cleaned.getchannel("A")) == np.asarray(image.getchannel("A"))).all()


@pytest.mark.parametrize("content", [photos.sixteen_bit_grey_png(), photos.sixteen_bit_rgb_png()])
def test_sixteen_bits_become_eight_with_a_warning_and_without_clipping(content):
    cleaned = clean(content, max_megapixels=40)
    assert cleaned.warnings == (Code.WARN_SIXTEEN_BIT,)
    shown = pixels(cleaned.content)
    assert shown.min() < 90
    assert shown.max() > 180
    assert len(np.unique(shown)) > 50


def test_several_pages_give_the_first_with_a_warning():
    content = photos.saved(
        photos.picture(), "TIFF", save_all=True, append_images=[photos.picture().rotate(90)]
    )
    cleaned = clean(content, max_megapixels=40)
    assert cleaned.warnings == (Code.WARN_FIRST_PAGE,)
    assert (pixels(cleaned.content) == pixels(photos.png())).all()


@pytest.mark.parametrize("code", photos.BAD_PHOTOS)
def test_bad_photos_are_refused_with_their_code(code):
    with pytest.raises(InvalidPhotoError) as refusal:
        clean(photos.BAD_PHOTOS[code], max_megapixels=40)
    assert refusal.value.code == code
    assert refusal.value.sentence.endswith(".")
    assert "{" not in refusal.value.sentence


@pytest.mark.parametrize("cut", range(5, 100, 5))
def test_every_cut_of_a_jpeg_is_noticed(cut):
    content = photos.jpeg(300, 200, progressive=bool(cut % 2))
    with pytest.raises(InvalidPhotoError) as refusal:
        clean(content[: len(content) * cut // 100], max_megapixels=40)
    assert refusal.value.code in {Code.PHOTO_DAMAGED, Code.PHOTO_NOT_AN_IMAGE}


@pytest.mark.parametrize("cut", range(5, 100, 5))
def test_every_cut_of_a_png_is_noticed(cut):
    content = photos.png(300, 200)
    with pytest.raises(InvalidPhotoError):
        clean(content[: len(content) * cut // 100], max_megapixels=40)


def test_a_flipped_bit_in_a_png_is_noticed():
    content = bytearray(photos.png(300, 200))
    content[len(content) // 2] ^= 0x10
    with pytest.raises(InvalidPhotoError):
        clean(bytes(content), max_megapixels=40)


def test_a_second_page_that_is_none_is_noticed():
    """Found by the fuzzing: Pillow raised a TypeError while it counted the pages."""
    content = photos.saved(photos.picture(), "TIFF")
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    made = bytearray(content + b"\0" * 6)
    struct.pack_into("<I", made, start + 2 + 12 * entries, len(content))
    with pytest.raises(InvalidPhotoError) as refusal:
        clean(bytes(made), max_megapixels=40)
    assert refusal.value.code == Code.PHOTO_DAMAGED
