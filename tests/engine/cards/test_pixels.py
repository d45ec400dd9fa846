"""What a card says of colours, ranges and types is what the graph gets and how it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from django_hili.engine.cards import colours
from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.matte import freed
from django_hili.engine.cards.models import Models
from django_hili.engine.cards.read import read_card
from django_hili.engine.cards.tensors import decode, encode
from django_hili.engine.pipeline import enhance
from django_hili.engine.pixels import luma
from django_hili.engine.refusals import EngineRefusal
from tests.engine.cards.graphs import (
    TensorProto,
    affine,
    constant,
    enlarger,
    graph,
    keeper,
    node,
    port,
    shelve,
)

SMALL = "[tile]\nsize = 64\noverlap = 8\n"
ONE = np.array([[[10, 100, 250]]], np.uint8)


@pytest.mark.parametrize(
    ("tables", "wanted"),
    [
        ("", [10 / 255, 100 / 255, 250 / 255]),
        ('color = "BGR"\nrange = [0, 255]\nmean = [1, 2, 3]\n', [249, 98, 7]),
        ("range = [-1, 1]\n", [10 / 127.5 - 1, 100 / 127.5 - 1, 250 / 127.5 - 1]),
        (
            'color = "Y"\nrange = [16, 235]\n',
            [16 + 219 * (0.299 * 10 + 0.587 * 100 + 0.114 * 250) / 255],
        ),
        ('color = "GREY_RGB"\nrange = [0, 255]\nstd = 2\n', None),
        (
            "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n",
            [(10 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224, (250 / 255 - 0.406) / 0.225],
        ),
        ('color = "L"\nrange = [0, 100]\n', [47.08]),
    ],
)
def test_what_goes_in(shelf: Path, tables: str, wanted: list[float] | None) -> None:
    card = shelve(shelf, "card", keeper(), "repair", f"[input]\n{tables}{SMALL}")
    if wanted is None:
        with pytest.raises(Exception, match="'std' must be a list"):
            read_card(card)
        return
    tensor = encode(ONE, read_card(card).input)
    assert tensor.shape == (1, len(wanted), 1, 1)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor.ravel(), wanted, rtol=2e-4)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_types_and_layouts(shelf: Path, photo: np.ndarray, dtype: str, layout: str) -> None:
    kind = {"uint8": TensorProto.UINT8, "float16": TensorProto.FLOAT16}[dtype]
    tables = f'[input]\ndtype = "{dtype}"\nlayout = "{layout}"\nrange = [0, 255]\n{SMALL}'
    shelve(shelf, "keep", keeper(layout=layout, kind=kind), "repair", tables)
    models = Models(Folder(shelf))
    assert models.problems() == ()
    assert np.array_equal(enhance(photo, operations=["repair"], models=models).pixels, photo)


def test_brightest_value_becomes_the_top(shelf: Path) -> None:
    card = read_card(
        shelve(
            shelf, "card", affine(1, 1, 0, side=(64, 64)), "bg", "[input]\ndivide_by_max = true\n"
        )
    )
    np.testing.assert_allclose(
        encode(ONE, card.input).ravel(), [10 / 250, 100 / 250, 1.0], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "tables", "values", "wanted"),
    [
        ("alpha", 'activation = "sigmoid"\n', [-800.0, 0.0, 800.0], [0.0, 0.5, 1.0]),
        ("alpha", 'activation = "minmax"\n', [-3.0, 1.0, 5.0], [0.0, 0.5, 1.0]),
        ("alpha", "range = [0, 255]\n", [0.0, 127.5, 255.0], [0.0, 0.5, 1.0]),
        ("alpha", "range = [1, 0]\n", [0.0, 0.25, 1.0], [1.0, 0.75, 0.0]),
        ("alpha", 'activation = "minmax"\n', [7.0, 7.0, 7.0], [0.0, 0.0, 0.0]),
    ],
)
def test_what_comes_out(
    shelf: Path, kind: str, tables: str, values: list[float], wanted: list[float]
) -> None:
    card = read_card(
        shelve(shelf, "card", affine(1, 1, 0, side=(64, 64)), "bg", f"[output]\n{tables}")
    )
    answer = decode(np.array(values, np.float32).reshape(1, 1, 1, 3), card)
    np.testing.assert_allclose(answer.ravel(), wanted, atol=1e-6)
    np.testing.assert_allclose(
        decode(np.array(values, np.float32).reshape(1, 1, 3), card).ravel(), wanted, atol=1e-6
    )


def test_bgr_comes_back_as_rgb(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "keep", affine(3, 1, 0), "repair", f'[input]\ncolor = "BGR"\n{SMALL}')
    assert np.array_equal(
        enhance(photo, operations=["repair"], models=Models(Folder(shelf))).pixels, photo
    )


@pytest.mark.parametrize("color", ["Y", "L"])
def test_luma_models_keep_the_photos_colour(shelf: Path, photo: np.ndarray, color: str) -> None:
    """Brighter by a tenth of the range in luma or lightness; colour stays."""
    bright = graph(
        [node("Add", "input more", "output")],
        [port("input", [1, 1, "h", "w"])],
        [port("output", [1, 1, "h", "w"])],
        [constant("more", 0.05)],
    )
    shelve(shelf, "bright", bright, "repair", f'[input]\ncolor = "{color}"\n{SMALL}')
    result = enhance(photo, operations=["repair"], models=Models(Folder(shelf))).pixels
    if color == "Y":
        assert np.abs(luma(result) - luma(photo) - 12.75).max() < 1
        assert np.abs((result.astype(int) - photo) - 12.75).max() <= 1
    else:
        assert np.abs(colours.lightness(result) - colours.lightness(photo) - 5).max() < 1
        assert np.abs(colours.chroma(result) - colours.chroma(photo)).mean() < 1
    grey = enhance(photo[..., 1].copy(), operations=["repair"], models=Models(Folder(shelf))).pixels
    assert grey.ndim == 2
    assert (grey.astype(int) - photo[..., 1]).min() > 8


@pytest.mark.parametrize("grey", [False, True])
def test_luma_enlargement_takes_colour_by_bicubic(
    shelf: Path, photo: np.ndarray, grey: bool
) -> None:
    from PIL import Image

    nothing = graph(
        [
            node(
                "Resize",
                "input _ sizes",
                "large",
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            ),
            node("Sub", "large large", "output"),
        ],
        [port("input", [1, 1, "h", "w"])],
        [port("output", [1, 1, "H", "W"])],
        [constant("sizes", [1, 1, 2, 2])],
    )
    shelve(
        shelf,
        "residual",
        nothing,
        "sr",
        f'[input]\ncolor = "Y"\n[output]\nkind = "residual"\nscale = 2\n{SMALL}',
    )
    pixels = photo[..., 0].copy() if grey else photo
    models = Models(Folder(shelf))
    assert models.problems() == ()
    result = enhance(pixels, operations=["sr"], scale=2, models=models).pixels
    bicubic = np.asarray(
        Image.fromarray(pixels).resize(
            (pixels.shape[1] * 2, pixels.shape[0] * 2), Image.Resampling.BICUBIC
        )
    )
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(result[inner].astype(int) - bicubic[inner]).max() <= 1


def test_a_grey_photo_stays_grey(shelf: Path, photo: np.ndarray) -> None:
    shelve(shelf, "keep", keeper(), "repair", SMALL)
    grey = photo[..., 1].copy()
    assert np.array_equal(
        enhance(grey, operations=["repair"], models=Models(Folder(shelf))).pixels, grey
    )


def test_lab_goes_there_and_back() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(colours.rgb(colours.lightness(pixels), colours.chroma(pixels)), pixels)


def test_lab_is_that_of_scikit_image() -> None:
    from skimage.color import rgb2lab

    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    lab = rgb2lab(pixels)
    assert np.abs(colours.lightness(pixels) - lab[..., 0]).max() < 0.01
    assert np.abs(colours.chroma(pixels) - lab[..., 1:]).max() < 0.05


def test_greys_have_no_colour() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    assert np.abs(colours.chroma(grey)).max() < 1e-3


def test_a_cut_out_is_freed_from_the_old_background() -> None:
    """A pixel that is half person, half green wall, comes back as person."""
    person, wall = np.array([200.0, 150, 120]), np.array([20.0, 220, 40])
    share = np.clip((np.arange(200) - 90) / 20, 0, 1)[None, :, None].repeat(120, 0)
    mixed = np.rint(share * person + (1 - share) * wall).astype(np.uint8)
    alpha = np.rint(share[..., 0] * 255).astype(np.uint8)
    own = freed(mixed, alpha).astype(float)
    band = (alpha > 25) & (alpha < 250)
    before = np.abs(mixed[band] - person).mean()
    assert np.abs(own[band] - person).mean() < 0.25 * before
    assert np.array_equal(own[alpha == 255], mixed[alpha == 255])


class TestChoice:
    def test_scales_are_made_of_what_there_is(self, shelf: Path, photo: np.ndarray) -> None:
        small = photo[:30, :40]
        shelve(shelf, "x4", enlarger(4), "sr", f"[output]\nscale = 4\n{SMALL}")
        models = Models(Folder(shelf))
        methods = {
            s: enhance(small, operations=["sr"], scale=s, models=models).steps[0].method
            for s in (2, 4, 8)
        }
        assert methods[2] == methods[4] == "model:x4"
        assert methods[8].startswith("model:x4+net:sr-x2")
        halved = enhance(small, operations=["sr"], scale=2, models=models).pixels
        assert np.array_equal(halved, small.repeat(2, 0).repeat(2, 1))
        shelve(shelf, "x2", enlarger(2), "sr", f"[output]\nscale = 2\n{SMALL}")
        models = Models(Folder(shelf))
        methods = {
            s: enhance(small, operations=["sr"], scale=s, models=models).steps[0].method
            for s in (2, 4, 8)
        }
        assert methods == {2: "model:x2", 4: "model:x4", 8: "model:x4+model:x2"}
        eight = enhance(small, operations=["sr"], scale=8, models=models).pixels
        assert np.array_equal(eight, small.repeat(8, 0).repeat(8, 1))

    def test_types_come_first(self, shelf: Path, photo: np.ndarray) -> None:
        shelve(shelf, "any", keeper(), "repair", SMALL)
        shelve(shelf, "zoo", keeper(), "repair", SMALL, head='types = ["cartoon", "text"]\n')
        models = Models(Folder(shelf))

        def method(image_type: str) -> str:
            return (
                enhance(photo, operations=["repair"], image_type=image_type, models=models)
                .steps[0]
                .method
            )

        assert method("cartoon") == "model:zoo"
        assert method("people") == "model:any"

    def test_other_types_and_large_photos_are_the_engines(
        self, shelf: Path, photo: np.ndarray
    ) -> None:
        shelve(shelf, "zoo", keeper(), "repair", SMALL, head='types = ["cartoon"]\n')
        shelve(shelf, "tiny", keeper(), "repair", f"[limits]\nmax_megapixels = 0.01\n{SMALL}")
        models = Models(Folder(shelf))
        result = enhance(photo, operations=["repair"], image_type="people", models=models)
        assert "model" not in result.steps[0].method

    def test_colour_has_no_other_way(self, shelf: Path, photo: np.ndarray) -> None:
        tables = (
            '[input]\ncolor = "GREY_RGB"\n[output]\nkind = "ab"\n[limits]\nmax_megapixels = 0.001\n'
        )
        shelve(
            shelf,
            "c",
            affine(2, 9, 0, side=(64, 64)),
            "colour",
            tables,
            head='types = ["portrait"]\n',
        )
        models = Models(Folder(shelf))
        assert models.offered == {"colour"}
        with pytest.raises(EngineRefusal) as caught:
            enhance(photo, operations=["colour"], models=models)
        assert caught.value.code == "model_limit"
        result = enhance(photo[:20, :20], operations=["colour"], models=models)
        assert result.steps[0].method == "model:c"
