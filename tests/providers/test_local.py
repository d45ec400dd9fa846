"""The embedded engine as a provider: what it refuses by itself, whoever calls it."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys

import pytest
from PIL import Image, ImageChops

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.imaging.encode import (
    SourceType,
    encode_jpeg,
    encode_png,
    mark_of,
    strongest,
)
from django_hili.imaging.frames import pack
from django_hili.providers.base import EnhancedPhoto, Photo
from django_hili.providers.local import LocalProvider
from django_hili.vocabulary import (
    JPEG_LONGEST_SIDE,
    Background,
    Enhancement,
    Operation,
    ResultFormat,
)
from tests import photos

pytestmark = pytest.mark.process
DOUBLED = Enhancement((Operation.SR,), scale=2)


def enhanced(photo: Photo, *wishes: Enhancement) -> list[EnhancedPhoto | Code]:
    """What one provider makes of a photo, wish by wish; the code where it refuses."""

    async def ask() -> list[EnhancedPhoto | Code]:
        provider = LocalProvider("local", {})
        answers: list[EnhancedPhoto | Code] = []
        try:
            for wish in wishes:
                try:
                    answers.append(await provider.enhance(photo, wish, lambda *_: None))
                except ProviderError as error:
                    answers.append(error.code)
        finally:
            await provider.aclose()
        return answers

    return asyncio.run(ask())


def test_the_longest_side_is_what_the_encoder_writes() -> None:
    photos.saved(Image.new("L", (1, JPEG_LONGEST_SIDE)), "JPEG")
    with pytest.raises(OSError, match="writing"):
        photos.saved(Image.new("L", (1, JPEG_LONGEST_SIDE + 1)), "JPEG")


def test_a_photo_too_long_for_a_jpeg_is_refused_by_its_name() -> None:
    photo = Photo(photos.png(63, 32_800), "image/png")
    as_png = Enhancement((Operation.SR,), scale=2, format=ResultFormat.PNG)
    answers = enhanced(photo, DOUBLED, as_png)
    assert answers[0] is Code.RESULT_TOO_LARGE
    assert isinstance(answers[1], EnhancedPhoto)
    assert (answers[1].width, answers[1].height) == (126, 65_600)


def test_a_long_photo_that_stays_as_long_is_refused_only_as_a_jpeg() -> None:
    clear = Image.new("RGBA", (2, JPEG_LONGEST_SIDE + 1), (9, 90, 200, 120))
    repaired = Enhancement((Operation.REPAIR,))
    flat = enhanced(Photo(photos.saved(clear.convert("RGB"), "PNG"), "image/png"), repaired)
    assert flat == [Code.RESULT_TOO_LARGE]
    (kept,) = enhanced(Photo(photos.saved(clear, "PNG"), "image/png"), repaired)
    assert isinstance(kept, EnhancedPhoto)
    assert kept.content_type == "image/png"


def test_a_new_background_makes_a_jpeg_of_a_long_clear_photo() -> None:
    clear = Image.new("RGBA", (2, JPEG_LONGEST_SIDE + 1), (9, 90, 200, 120))
    photo = Photo(photos.saved(clear, "PNG"), "image/png")
    wish = Enhancement((Operation.BG,), background=Background("red"))
    assert enhanced(photo, wish) == [Code.RESULT_TOO_LARGE]


@pytest.mark.parametrize("size", [(60, 41), (40, 60)])
def test_a_mask_of_another_size_is_refused(size: tuple[int, int]) -> None:
    mask = photos.saved(Image.new("L", size, 255), "PNG")
    photo = Photo(photos.png(), "image/png", mask=mask)
    assert enhanced(photo, Enhancement((Operation.SCRATCH,))) == [Code.MASK_SIZE_WRONG]


def test_a_broken_mask_is_refused_and_the_next_photo_goes_on() -> None:
    mask = photos.truncated_jpeg()
    photo = Photo(photos.png(), "image/png", mask=mask)
    scratch = Enhancement((Operation.SCRATCH,))
    assert enhanced(photo, scratch, scratch) == [Code.PHOTO_DAMAGED] * 2


def test_what_was_filled_comes_back_only_where_it_is_wanted() -> None:
    mask = Image.new("1", (60, 40))
    mask.paste(1, (10, 10, 30, 13))
    drawn = photos.saved(mask, "PNG")
    scratch = Enhancement((Operation.SCRATCH,))
    for wanted in (True, False):
        photo = Photo(photos.png(), "image/png", mask=drawn, wants_mask=wanted)
        (answer,) = enhanced(photo, scratch)
        assert isinstance(answer, EnhancedPhoto)
        with Image.open(io.BytesIO(answer.content)) as opened:
            opened.load()
            assert opened.size == (60, 40)
        if wanted:
            assert answer.mask is not None
            assert mark_of(answer.mask) is mark_of(answer.content) is SourceType.ENHANCED
            with Image.open(io.BytesIO(answer.mask)) as shown:
                assert shown.convert("1").tobytes() == mask.tobytes()
        else:
            assert answer.mask is None


@pytest.mark.parametrize("mark", SourceType)
def test_a_photo_that_comes_in_again_says_no_less_than_before(mark: SourceType) -> None:
    """Whatever is done to it: enlarged by a net, lifted out of haze by rules, or left alone."""
    marked = encode_jpeg(photos.picture(), mark=mark)
    foggy = Image.blend(photos.picture(), Image.new("RGB", (60, 40), "white"), 0.6)
    wishes = (DOUBLED, Enhancement((Operation.DEFOGGING,)))
    for content in (marked, encode_png(foggy, mark=mark)):
        for wish, own in zip(wishes, (SourceType.MODEL, SourceType.ENHANCED), strict=True):
            (answer,) = enhanced(Photo(content, "image/jpeg"), wish)
            assert isinstance(answer, EnhancedPhoto)
            is_done = answer.steps[0].method != "none"
            assert mark_of(answer.content) is strongest(mark, own if is_done else None)
            assert answer.content.count(b"DigitalSourceType") == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_that_is_left_alone_comes_back_as_it_was_coded(kind: str) -> None:
    flat = photos.saved(Image.new("RGB", (60, 40), (90, 120, 10)), kind)
    as_png = kind == "PNG"
    wish = Enhancement(
        (Operation.REPAIR, Operation.DEFOGGING),
        format=ResultFormat.PNG if as_png else None,
        dpi=600,
    )
    (answer,) = enhanced(Photo(flat, f"image/{kind.lower()}"), wish)
    assert isinstance(answer, EnhancedPhoto)
    assert [step.method for step in answer.steps] == ["none", "none"]
    assert mark_of(answer.content) is None
    coded = flat[flat.index(b"IDAT" if as_png else b"\xff\xda") :]
    assert answer.content.endswith(coded)
    with Image.open(io.BytesIO(answer.content)) as opened:
        opened.load()
        assert opened.info["dpi"] == pytest.approx((600, 600), abs=0.1)


def test_a_photo_that_is_left_alone_in_another_format_is_not_marked_either() -> None:
    flat = photos.saved(Image.new("RGB", (60, 40), (90, 120, 10)), "PNG")
    (answer,) = enhanced(Photo(flat, "image/png"), Enhancement((Operation.REPAIR,)))
    assert isinstance(answer, EnhancedPhoto)
    assert answer.content_type == "image/jpeg"
    assert mark_of(answer.content) is None


def test_what_one_step_changed_is_written_as_finely_as_it_came() -> None:
    mask = Image.new("1", (60, 40))
    mask.paste(1, (40, 10, 44, 13))
    photo = photos.saved(photos.picture(), "JPEG", quality=98, subsampling=0)
    drawn = Photo(photo, "image/jpeg", mask=photos.saved(mask, "PNG"))
    (answer,) = enhanced(drawn, Enhancement((Operation.SCRATCH,)))
    assert isinstance(answer, EnhancedPhoto)
    with Image.open(io.BytesIO(photo)) as before, Image.open(io.BytesIO(answer.content)) as after:
        assert after.quantization == before.quantization  # type: ignore[attr-defined]
        box = (0, 0, 32, 40)
        difference = ImageChops.difference(before.crop(box), after.crop(box))
        assert max(high for _, high in difference.getextrema()) <= 4


def test_a_process_that_nobody_watches_ends_after_its_share_of_the_processor() -> None:
    """The worker that would end it may have been killed itself."""
    command = [sys.executable, "-m", "django_hili.providers.local_process", str(3 * 1024**3)]
    request = {
        "scale": 8, "image_type": "people", "background": None, "background_rgb": None, "dpi": 300,
        "format": "png", "max_megapixels": 40, "wants_mask": False, "operations": ["sr"],
    }  # fmt: skip
    photo = photos.jpeg(1200, 900)
    asked = pack({**request, "photo_size": len(photo)}, photo)
    ended = subprocess.run(
        [*command, "--seconds", "1"], input=asked, capture_output=True, check=False
    )
    assert ended.returncode == -signal.SIGXCPU


def test_the_provider_tells_its_process_what_a_photo_may_take() -> None:
    arguments = LocalProvider("local", {"time_limit": 7.5})._arguments()
    assert arguments[arguments.index("--seconds") + 1] == "8"
