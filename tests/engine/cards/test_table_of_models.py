"""One graph with the ends of each model family: what goes in, what comes out, pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from django_hili.engine.cards import colours
from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.models import Models
from django_hili.engine.pipeline import Enhanced, enhance
from django_hili.engine.pixels import luma
from tests.engine.cards.graphs import (
    FILLER,
    affine,
    constant,
    enlarger,
    graph,
    inpainter,
    keeper,
    node,
    port,
    shelve,
)
from training.marks import damaged

IMAGENET = "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"


def run(shelf: Path, photo: np.ndarray, *operations: str, **options: object) -> Enhanced:
    folder = Folder(shelf)
    assert folder.problems() == ()
    models = Models(folder)
    assert models.problems() == ()
    return enhance(photo, operations=operations, models=models, **options)


def doubled(pixels: np.ndarray, scale: int) -> np.ndarray:
    return pixels.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("grey", [False, True])
def test_real_esrgan(shelf: Path, photo: np.ndarray, scale: int, grey: bool) -> None:
    """x4plus, general-x4v3: sides free; x2plus: even sides."""
    tables = f"[input]\nmultiple = 2\n[output]\nscale = {scale}\n[tile]\nsize = 64\noverlap = 8\n"
    shelve(shelf, "realesrgan", enlarger(scale), "sr", tables)
    pixels = photo[..., 0] if grey else photo
    result = run(shelf, pixels, "sr", scale=scale)
    assert np.array_equal(result.pixels, doubled(pixels, scale))
    assert [(s.operation, s.method) for s in result.steps] == [("sr", "model:realesrgan")]


@pytest.mark.parametrize(("name", "multiple"), [("swinir", 8), ("hat", 16)])
def test_window_transformers_enlarge(
    shelf: Path, photo: np.ndarray, name: str, multiple: int
) -> None:
    """The graph refuses sides that are no multiple: it cuts them into windows."""
    windows = graph(
        [
            node("Reshape", "input cut", "windows"),
            node("Reshape", "windows whole", "again"),
            node(
                "Resize",
                "again _ sizes",
                "output",
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            ),
        ],
        [port("input", [1, 3, 64, 64])],
        [port("output", [1, 3, 256, 256])],
        [
            constant("cut", [1, 3, 64 // multiple, multiple, 64 // multiple, multiple], np.int64),
            constant("whole", [1, 3, 64, 64], np.int64),
            constant("sizes", [1, 1, 4, 4]),
        ],
    )
    tables = (
        f"[input]\nmultiple = {multiple}\n[output]\nscale = 4\n[tile]\nsize = 64\noverlap = 8\n"
    )
    shelve(shelf, name, windows, "sr", tables)
    assert np.array_equal(run(shelf, photo, "sr", scale=4).pixels, doubled(photo, 4))


@pytest.mark.parametrize(("name", "multiple"), [("swinir", 8), ("nafnet", 16)])
def test_repair_keeps_size_and_pixels(
    shelf: Path, photo: np.ndarray, name: str, multiple: int
) -> None:
    shelve(
        shelf,
        name,
        keeper(),
        "repair",
        f"[input]\nmultiple = {multiple}\n[tile]\nsize = 80\noverlap = 16\n",
    )
    result = run(shelf, photo, "repair")
    assert np.array_equal(result.pixels, photo)
    assert result.steps[0].method == f"model:{name}"


def test_ddcolor(shelf: Path, photo: np.ndarray) -> None:
    """512 x 512, grey as RGB 0..1 in; a* and b* out: here 12 times the light."""
    shelve(
        shelf,
        "ddcolor",
        affine(2, 12.0, 0.0, side=(512, 512)),
        "colour",
        '[input]\ncolor = "GREY_RGB"\n[output]\nkind = "ab"\n',
    )
    grey = np.rint(luma(photo)).astype(np.uint8)
    grey[:] = np.linspace(30, 220, grey.shape[1], dtype=np.uint8)
    result = run(shelf, grey, "colour")
    assert result.pixels.shape == (*grey.shape, 3)
    light = colours.lightness(result.pixels)
    assert np.abs(light - colours.lightness(grey)).max() < 1.0
    wanted = grey.astype(np.float32) / 255 * 12
    assert np.abs(colours.chroma(result.pixels) - wanted[..., None]).mean() < 0.6


def test_colour_of_an_rgb_photo_without_colour(shelf: Path) -> None:
    shelve(
        shelf,
        "ddcolor",
        affine(2, 0.0, 0.0, side=(64, 64)),
        "colour",
        '[input]\ncolor = "GREY_RGB"\n[output]\nkind = "ab"\n',
    )
    grey = np.stack([np.tile(np.arange(0, 200, 2, dtype=np.uint8), (80, 1))] * 3, 2)
    assert np.abs(run(shelf, grey, "colour").pixels.astype(int) - grey).max() <= 1


def test_deoldify(shelf: Path) -> None:
    """RGB 0..255 in and out, multiples of 32; only its colour is used, so the photo stays sharp."""
    tint = graph(
        [node("Add", "input tint", "output")],
        [port("input", [1, 3, "h", "w"])],
        [port("output", [1, 3, "h", "w"])],
        [constant("tint", np.reshape([30.0, 0.0, -30.0], (1, 3, 1, 1)))],
    )
    tables = '[input]\ncolor = "GREY_RGB"\nrange = [0, 255]\nmultiple = 32\nsize = 96\n'
    tables += '[output]\nkind = "image"\n'
    shelve(shelf, "deoldify", tint, "colour", tables)
    grey = np.full((120, 200), 128, np.uint8)
    grey[:, ::2] = 120  # too fine for 96 pixels: must come from the photo
    result = run(shelf, grey, "colour")
    assert np.abs(colours.lightness(result.pixels) - colours.lightness(grey)).max() < 1.0
    wanted = colours.chroma(np.array([[[154, 124, 94]]], np.uint8))[0, 0]
    assert np.abs(colours.chroma(result.pixels).mean((0, 1)) - wanted).max() < 1.0


def person(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc with a soft edge on a backdrop, and where it is."""
    y, x = np.mgrid[:height, :width]
    share = ((0.3 - np.hypot(y / height - 0.5, x / width - 0.5)) * 20 + 0.5).clip(0, 1)
    pixels = (30, 40, 50) + share[..., None] * np.array([170.0, 110.0, 70.0])
    return np.rint(pixels).astype(np.uint8), share > 0.5


CUTTERS = {
    "u2net": (
        affine(1, 1.0, 0.0, side=(320, 320), outputs=7),
        f'[input]\ndivide_by_max = true\n{IMAGENET}[output]\nactivation = "minmax"\n',
    ),
    "isnet": (
        affine(1, 1.0, 0.0, side=(256, 256), outputs=2),
        '[input]\nmean = [0.5, 0.5, 0.5]\nstd = [1.0, 1.0, 1.0]\n[output]\nactivation = "minmax"\n',
    ),
    "birefnet-logits": (
        affine(1, 20.0, 0.0, side=(256, 256)),
        f'[input]\n{IMAGENET}[output]\nactivation = "sigmoid"\n',
    ),
    "birefnet-alpha": (affine(1, 0.229, 0.485), f"[input]\n{IMAGENET}multiple = 64\nsize = 256\n"),
    "modnet": (affine(1, 0.5, 0.5), "[input]\nrange = [-1, 1]\nmultiple = 32\nsize = 256\n"),
}


@pytest.mark.parametrize("name", CUTTERS)
def test_cutters(shelf: Path, name: str) -> None:
    """Red stands for the person: what the graph sees of it comes back as opacity."""
    model, tables = CUTTERS[name]
    shelve(shelf, name, model, "bg", tables)
    pixels, inside = person(180, 240)
    if name in ("birefnet-alpha", "modnet"):  # these answer in steps of light, not of more or less
        pixels = np.repeat(((pixels[..., :1].astype(float) - 30) * 1.5).astype(np.uint8), 3, 2)
    result = run(shelf, pixels, "bg", background="transparent")
    assert result.alpha is not None
    found = result.alpha > 127
    assert (found & inside).sum() / (found | inside).sum() > 0.97
    assert result.alpha[:20].max() <= 12
    assert result.alpha[80:100, 110:130].min() >= 243
    assert result.steps[0].method == f"model:{name}"
    white = run(shelf, pixels, "bg", background="white")
    assert white.alpha is None
    assert white.pixels[:10].min() >= 243


def test_lama(shelf: Path, photo: np.ndarray) -> None:
    """Fixed sides, RGB 0..1 and a mask in, RGB 0..255 out; nothing but the mask changes."""
    shelve(shelf, "lama", inpainter(64), "scratch", FILLER)
    mask = np.zeros(photo.shape[:2], bool)
    mask[20:24, 5:200] = mask[0:3, 0:3] = mask[149, 210] = mask[70:140, 100] = True
    result = run(shelf, photo, "scratch", mask=mask)
    assert np.array_equal(result.pixels[~mask], photo[~mask])
    assert (result.pixels[mask] == 100).all()
    assert result.steps[0].method == "mask:drawn+model:lama"


def test_lama_on_a_photo_smaller_than_its_window(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "lama", inpainter(128), "scratch", FILLER)
    small, mask = photo[:50, :90], np.zeros((50, 90), bool)
    mask[10:12] = True
    result = run(shelf, small, "scratch", mask=mask)
    assert np.array_equal(result.pixels[~mask], small[~mask])
    assert (result.pixels[mask] == 100).all()


def test_bopbtl_detector(shelf: Path) -> None:
    """Grey -1..1 in multiples of 16 in, probability out, threshold .4: here it is brightness."""
    half = graph(
        [node("Mul", "input half", "product"), node("Add", "product half", "output")],
        [port("input", [1, 1, "h", "w"])],
        [port("output", [1, 1, "h", "w"])],
        [constant("half", 0.5)],
    )
    tables = '[input]\ncolor = "Y"\nrange = [-1, 1]\nmultiple = 16\n'
    tables += '[output]\nkind = "mask"\nthreshold = 0.4\n[tile]\nsize = 64\noverlap = 16\n'
    shelve(shelf, "bopbtl", half, "scratch", tables)
    pixels = np.full((90, 130, 3), 60, np.uint8)
    pixels[:, 64] = 110  # above .4
    pixels[30, :] = 95  # below
    result = run(shelf, pixels, "scratch")
    changed = (result.pixels != pixels).any(2)
    assert changed[:, 64].mean() > 0.9
    assert not changed[:, :60].any()
    assert not changed[:, 70:].any()
    assert result.pixels[5:25, 64].max() <= 62
    assert result.steps[0].method == "model:bopbtl+classical:thin-plate"


def test_detector_and_filler_together(shelf: Path) -> None:
    shelve(
        shelf,
        "finder",
        keeper(channels=1),
        "scratch",
        '[input]\ncolor = "Y"\n[output]\nkind = "mask"\nthreshold = 0.6\n[tile]\nsize = 64\n',
    )
    shelve(shelf, "filler", inpainter(64, 33.0), "scratch", FILLER)
    pixels = np.full((70, 90, 3), 60, np.uint8)
    pixels[20] = 240
    result = run(shelf, pixels, "scratch")
    assert (result.pixels[19:22] == 33).all()
    assert (result.pixels[23:] == 60).all()
    assert result.steps[0].method == "model:finder+model:filler"


def test_the_engines_finder_keeps_to_the_image_type_where_a_card_fills(
    shelf: Path, photo: np.ndarray
) -> None:
    shelve(shelf, "lama", inpainter(64), "scratch", FILLER)
    marked = damaged(np.random.default_rng(4), photo)[0]
    found = {}
    for kind in ("landscape", "people"):
        result = run(shelf, marked, "scratch", image_type=kind)
        alone = enhance(marked, operations=["scratch"], image_type=kind)
        assert result.mask is not None
        assert np.array_equal(result.mask, alone.mask)
        assert (result.pixels[result.mask] == 100).all()
        found[kind] = int(result.mask.sum())
    assert found["landscape"] > found["people"] > 0
