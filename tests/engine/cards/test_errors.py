"""Each fault of a card, a file or a model is one clear sentence, and nothing faulty is ever run."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from django_hili.engine.cards.folder import Folder, check_model
from django_hili.engine.cards.graph import read_graph
from django_hili.engine.cards.models import Models
from django_hili.engine.cards.table import CardError
from django_hili.engine.pipeline import enhance
from django_hili.engine.refusals import EngineRefusal
from tests.engine.cards.graphs import (
    TensorProto,
    affine,
    blurrer,
    constant,
    enlarger,
    graph,
    helper,
    inpainter,
    keeper,
    node,
    onnx,
    port,
    shelve,
)

SMALL = "[tile]\nsize = 64\noverlap = 8\n"


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


CARDS = {
    "unknown key": ("flavour = 1\n", "[output]\nscale = 2\n", "unknown key 'flavour'"),
    "unknown key of a table": (
        "",
        "[input]\nflavour = 1\n",
        r"\[input\] has the unknown key 'flavour'",
    ),
    "unknown table": ("", "[output]\nscale = 2\n[extras]\n", "unknown key 'extras'"),
    "not a type": ('types = ["dogs"]\n', "", "'types' must be a list of people"),
    "no number": ("", '[output]\nscale = "4"\n', "'scale' must be a whole number from 1 to 8"),
    "a scale nobody asks for": ("", "[output]\nscale = 3\n", "must have scale 2, 4 or 8"),
    "no scale": ("", "", "must have scale 2, 4 or 8"),
    "a wrong kind": (
        "",
        '[output]\nkind = "alpha"\nscale = 2\n',
        "must have kind image or residual",
    ),
    "a fit that shrinks": (
        "",
        '[input]\nfit = "stretch"\n[output]\nscale = 2\n',
        "'fit' must be one of tile",
    ),
    "a range of one value": (
        "",
        "[input]\nrange = [1, 1]\n[output]\nscale = 2\n",
        "two different numbers",
    ),
    "std of nothing": ("", "[input]\nstd = [0.0]\n[output]\nscale = 2\n", "'std' must be above 0"),
    "not a number": (
        "",
        "[input]\nmean = [nan]\n[output]\nscale = 2\n",
        "'mean' must be a list of 1 or 3 numbers",
    ),
    "three means for luma": (
        "",
        '[input]\ncolor = "Y"\nmean = [1, 2, 3]\n[output]\nscale = 2\n',
        "a list of 1 numbers",
    ),
    "little overlap": (
        "",
        "[output]\nscale = 2\n[tile]\noverlap = 2\n",
        "'overlap' must be a whole number from 8",
    ),
    "much overlap": (
        "",
        "[output]\nscale = 2\n[tile]\nsize = 64\noverlap = 32\n",
        "at least four times 'overlap'",
    ),
    "activation of pixels": (
        "",
        '[output]\nscale = 2\nactivation = "sigmoid"\n',
        "goes with alpha and mask only",
    ),
    "brightness by tile": (
        "",
        "[input]\ndivide_by_max = true\n[output]\nscale = 2\n",
        "tiles would differ",
    ),
    "size without stretch": ("", "[input]\nsize = 512\n[output]\nscale = 2\n", "goes with fit"),
    "a mask nobody has": (
        "",
        '[[extra]]\nname = "m"\nkind = "mask"\n[output]\nscale = 2\n',
        "no other may have one",
    ),
    "bytes with a mean": (
        "",
        '[input]\ndtype = "uint8"\n[output]\nscale = 2\n',
        'dtype = "uint8" goes with range',
    ),
    "a scalar of nothing": (
        "",
        '[[extra]]\nname = "w"\nkind = "scalar"\n[output]\nscale = 2\n',
        r"\[\[extra\]\] lacks 'value'",
    ),
    "no time": (
        "",
        "[output]\nscale = 2\n[limits]\ntimeout_s = 0\n",
        "'timeout_s' must be a number above 0",
    ),
}


@pytest.mark.parametrize("fault", CARDS)
def test_faults_of_a_card(shelf: Path, fault: str) -> None:
    head, tables, words = CARDS[fault]
    shelve(shelf, "faulty", enlarger(2), "sr", tables, head=head)
    assert_problem(shelf, words)


TEXTS = {
    "not TOML": (lambda text: text + "[", "not valid TOML"),
    "not UTF-8": (lambda text: "\udcff", "not valid TOML"),
    "another version": (replaced("card = 1", "card = 2"), "must say card = 1"),
    "no name": (replaced('name = "faulty"\n', ""), "lacks 'name'"),
    "a name for no method": (
        replaced('name = "faulty"', 'name = "Faulty one"'),
        "'name' must be small letters",
    ),
    "an operation we lack": (replaced('"sr"', '"faces"'), "'operation' must be one of sr"),
    "no hash": (
        lambda text: "\n".join(x for x in text.splitlines() if "sha256" not in x),
        "lacks 'sha256'",
    ),
    "half a hash": (
        lambda text: text.replace('sha256 = "', 'sha256 = "00'),
        "64 hexadecimal digits",
    ),
    "licence as a word": (
        replaced('[licence]\nspdx = "MIT"\ncommercial = true\n', 'licence = "MIT"\n'),
        "must be a table",
    ),
    "licence without a say": (
        replaced("commercial = true\n", ""),
        r"\[licence\] lacks 'commercial'",
    ),
    "no licence": (
        replaced('[licence]\nspdx = "MIT"\ncommercial = true\n', ""),
        "lacks \\[licence\\]",
    ),
    "contradiction": (replaced('"MIT"', '"CC-BY-NC-4.0"'), "CC-BY-NC-4.0 forbids commercial use"),
    "too long": (lambda text: text + "#" * 70_000, "larger than 64 KiB"),
}


@pytest.mark.parametrize("fault", TEXTS)
def test_faults_of_a_cards_text(shelf: Path, fault: str) -> None:
    change, words = TEXTS[fault]
    card = shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
    card.write_bytes(change(card.read_text()).encode("utf-8", "surrogateescape"))
    assert_problem(shelf, words)


def assert_problem(shelf: Path, words: str) -> None:
    """There is exactly this problem, and it is told by the name of its card."""
    problems = Folder(shelf).problems()
    assert len(problems) == 1
    assert problems[0].startswith("faulty.toml: ")
    assert re.search(words, problems[0]), problems[0]


def test_a_good_card_has_no_problem(shelf: Path) -> None:
    shelve(shelf, "good", enlarger(2), "sr", "[output]\nscale = 2\n" + SMALL)
    assert Folder(shelf).problems() == ()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert Folder(tmp_path / "nowhere").problems() == (
        "The folder that the option 'models' names does not exist.",
    )
    assert Folder(tmp_path / "nowhere").cards() == ()


def test_two_cards_of_one_name(shelf: Path) -> None:
    shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
    (shelf / "again.toml").write_text((shelf / "faulty.toml").read_text())
    assert_problem(shelf, "again.toml has the same name")


class TestLicence:
    def test_non_commercial_is_refused_unless_allowed(self, shelf: Path) -> None:
        licence = '[licence]\nspdx = "CC-BY-NC-SA-4.0"\ncommercial = false\n'
        shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n", licence=licence)
        assert_problem(shelf, "allow_non_commercial_models")
        assert Folder(shelf).cards() == ()
        allowed = Folder(shelf, allow_non_commercial=True)
        assert allowed.problems() == ()
        assert [card.name for card in allowed.cards()] == ["faulty"]


class TestFile:
    def test_changed(self, shelf: Path) -> None:
        shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
        assert Folder(shelf).problems() == ()
        (shelf / "faulty.onnx").write_bytes(enlarger(4).SerializeToString())
        assert_problem(shelf, "its sha256 differs")
        with pytest.raises(CardError, match="sha256 differs"):
            check_model(Folder(shelf).cards()[0])

    def test_missing(self, shelf: Path) -> None:
        shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
        (shelf / "faulty.onnx").unlink()
        assert_problem(shelf, "faulty.onnx is missing")

    @pytest.mark.parametrize("name", ["../faulty.onnx", "sub/../../faulty.onnx"])
    def test_elsewhere(self, shelf: Path, name: str) -> None:
        (shelf / "sub").mkdir()
        shelve(
            shelf,
            "faulty",
            enlarger(2),
            "sr",
            "[output]\nscale = 2\n",
            change=replaced('"faulty.onnx"', f'"{name}"'),
        )
        (shelf / "faulty.onnx").rename(shelf.parent / "faulty.onnx")
        assert_problem(shelf, "not inside the folder")

    def test_absolute(self, shelf: Path) -> None:
        shelve(
            shelf,
            "faulty",
            enlarger(2),
            "sr",
            "[output]\nscale = 2\n",
            change=replaced('"faulty.onnx"', f'"{shelf}/faulty.onnx"'),
        )
        assert_problem(shelf, "must be a name inside the folder")

    def test_linked_to_elsewhere(self, shelf: Path) -> None:
        shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
        (shelf / "faulty.onnx").rename(shelf.parent / "real.onnx")
        (shelf / "faulty.onnx").symlink_to(shelf.parent / "real.onnx")
        assert_problem(shelf, "not inside the folder")

    def test_the_card_itself_linked_to_elsewhere(self, shelf: Path) -> None:
        card = shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
        card.rename(shelf.parent / "real.toml")
        card.symlink_to(shelf.parent / "real.toml")
        assert_problem(shelf, "not inside the folder")
        assert Folder(shelf).cards() == ()

    def test_linked_within_the_folder_as_mounted_volumes_do(self, shelf: Path) -> None:
        shelve(shelf, "good", enlarger(2), "sr", "[output]\nscale = 2\n")
        (shelf / "..data").mkdir()
        (shelf / "good.onnx").rename(shelf / "..data" / "good.onnx")
        (shelf / "good.onnx").symlink_to("..data/good.onnx")
        assert Folder(shelf).problems() == ()

    @pytest.mark.parametrize(
        "content", [b"", b"not a model", b"\x08\x09", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 40]
    )
    def test_no_model(self, shelf: Path, content: bytes) -> None:
        card = shelve(shelf, "faulty", enlarger(2), "sr", "[output]\nscale = 2\n")
        (shelf / "faulty.onnx").write_bytes(content)
        old = hashlib.sha256(enlarger(2).SerializeToString()).hexdigest()
        card.write_text(card.read_text().replace(old, hashlib.sha256(content).hexdigest()))
        assert_problem(shelf, "not a readable ONNX model")


def external() -> onnx.ModelProto:
    model = affine(3, 1.0, 0.0)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "factor")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/hostname")
    return model


def external_in_a_branch() -> onnx.ModelProto:
    """The same, hidden in a constant of an If's branch."""
    weight = constant("w", 1.0)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="secret.bin")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=weight)],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [])],
    )
    nodes = [
        helper.make_node("If", ["yes"], ["factor"], then_branch=branch, else_branch=branch),
        node("Mul", "input factor", "output"),
    ]
    return graph(
        nodes,
        [port("input", [1, 3, "h", "w"])],
        [port("output", [1, 3, "h", "w"])],
        [constant("yes", True, np.bool_)],
    )


def foreign() -> onnx.ModelProto:
    model = keeper()
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def with_weight(kind: int = TensorProto.DOUBLE) -> onnx.ModelProto:
    nodes = [
        node("Cast", "weight", "factor", to=TensorProto.FLOAT),
        node("Mul", "input factor", "output"),
    ]
    return graph(
        nodes,
        [port("input", [1, 3, 64, 64]), port("weight", [1], kind)],
        [port("output", [1, 3, 64, 64])],
    )


GRAPHS = {
    "external data": (external(), "", "keeps weights in further files"),
    "external data in a branch": (external_in_a_branch(), "", "keeps weights in further files"),
    "operators of others": (foreign(), "", "of the domain 'com.example'"),
    "an input nobody feeds": (
        with_weight(),
        "",
        "has the input 'weight', which the card does not feed",
    ),
    "a name it lacks": (keeper(), '[input]\nname = "picture"\n', "has no input 'picture'"),
    "an extra it lacks": (
        keeper(),
        '[[extra]]\nname = "weight"\nkind = "scalar"\nvalue = 1\n',
        "has no input 'weight'",
    ),
    "another type": (
        keeper(kind=TensorProto.FLOAT16),
        "",
        "takes float16 at 'input', but the card says float32",
    ),
    "another type of an extra": (
        with_weight(),
        '[[extra]]\nname = "weight"\nkind = "scalar"\nvalue = 1\n',
        "takes float64 at 'weight'",
    ),
    "an output it lacks": (
        keeper(),
        "[output]\nindex = 3\n",
        "'index' is 3, but faulty.onnx has 1 output",
    ),
    "another layout": (keeper(layout="NHWC", side=(64, 64)), "", "takes 64 channels"),
    "grey": (keeper(channels=1), "", "takes 1 channels, but color = 'RGB'"),
    "too small for its overlap": (
        keeper(side=(32, 32)),
        "",
        "at most a quarter of what faulty.onnx takes, 32 x 32",
    ),
}


@pytest.mark.parametrize("fault", GRAPHS)
def test_faults_of_a_graph(shelf: Path, photo: np.ndarray, fault: str) -> None:
    model, tables, words = GRAPHS[fault]
    shelve(shelf, "faulty", model, "repair", tables)
    assert_problem(shelf, words)
    with pytest.raises(EngineRefusal, match=r"^faulty.toml: ") as caught:
        enhance(photo, operations=["repair"], models=Models(Folder(shelf)))
    assert caught.value.code == "model_unusable"


def test_free_sides_need_a_size(shelf: Path) -> None:
    shelve(shelf, "faulty", affine(1, 1, 0), "bg")
    assert_problem(shelf, "say in \\[input\\] which 'size' it should get")


def test_a_size_that_is_not_the_graphs(shelf: Path) -> None:
    shelve(shelf, "faulty", affine(1, 1, 0, side=(64, 64)), "bg", "[input]\nsize = 128\n")
    assert_problem(shelf, "'size' differs from what faulty.onnx takes, 64 x 64")


def test_an_extra_that_is_fed(shelf: Path, photo: np.ndarray) -> None:
    """As CodeFormer and its kin have one: a number of type double."""
    tables = '[[extra]]\nname = "weight"\nkind = "scalar"\nvalue = 0.5\ndtype = "float64"\n'
    shelve(shelf, "good", with_weight(), "repair", tables)
    assert Folder(shelf).problems() == ()
    result = enhance(photo, operations=["repair"], models=Models(Folder(shelf)))
    assert np.abs(result.pixels.astype(float) - photo / 2).max() <= 0.5


def test_functions_of_the_file_itself_are_no_foreign_operators(shelf: Path) -> None:
    model = keeper()
    model.graph.node[0].op_type = "Same"
    model.graph.node[0].domain = "local"
    model.opset_import.append(helper.make_opsetid("local", 1))
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.append(
        helper.make_function("local", "Same", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
    )
    shelve(shelf, "good", model, "repair", SMALL)
    assert Folder(shelf).problems() == ()
    assert Models(Folder(shelf)).problems() == ()


class TestProbe:
    """Each of these reads well; only running it shows that the card is another file's."""

    @pytest.mark.parametrize(
        ("model", "operation", "tables", "words"),
        [
            (
                enlarger(4),
                "sr",
                "[output]\nscale = 2\n",
                "came back as 256 x 256; the card says 128 x 128",
            ),
            (affine(1, 1, 0), "repair", "", "came back with 1 channels; the card says 3"),
            (affine(3, 255.0, 0), "repair", "", "unlike itself"),
            (affine(3, -1.0, 1.0), "repair", "", "unlike itself"),
            (affine(3, 0.0, 0.0), "repair", "", "unlike itself"),
            (affine(3, 1.0, 0), "repair", "[output]\nrange = [0, 255]\n", "unlike itself"),
            (affine(3, float("nan"), 0), "repair", "", "not numbers"),
            (affine(1, 20.0, -10, side=(64, 64)), "bg", "", "check 'range' and 'activation'"),
            (affine(2, 1.0, 0, side=(64, 64)), "bg", "", "came back with 2 channels"),
            (
                affine(2, 900.0, 0, side=(64, 64)),
                "colour",
                '[output]\nkind = "ab"\n',
                "check 'range'",
            ),
            (
                inpainter(64),
                "scratch",
                '[[extra]]\nname = "mask"\nkind = "mask"\n[output]\nkind = "image"\n',
                "unlike itself",
            ),
            (affine(1, 9.0, 0), "scratch", '[output]\nkind = "mask"\n', "0 to 1 was expected"),
        ],
    )
    def test_disagreement(
        self,
        shelf: Path,
        photo: np.ndarray,
        model: onnx.ModelProto,
        operation: str,
        tables: str,
        words: str,
    ) -> None:
        tile = "" if "stretch" in tables or operation in ("bg", "colour") else SMALL
        shelve(shelf, "faulty", model, operation, tables + tile)
        assert Folder(shelf).problems() == ()
        models = Models(Folder(shelf))
        (problem,) = models.problems()
        assert problem.startswith("faulty.toml: ")
        assert words in problem
        options = {"sr": {"scale": 2}, "bg": {"background": "white"}}.get(operation, {})
        mask = (
            np.eye(*photo.shape[:2], dtype=bool)
            if "inpaint" in problem or "[[extra]]" in tables
            else None
        )
        with pytest.raises(EngineRefusal) as caught:
            enhance(photo, operations=[operation], models=models, mask=mask, **options)
        assert caught.value.code == "model_unusable"

    def test_a_graph_that_does_not_load(self, shelf: Path) -> None:
        model = keeper()
        model.graph.node[0].op_type = "NoSuchOperator"
        shelve(shelf, "faulty", model, "repair", SMALL)
        (problem,) = Models(Folder(shelf)).problems()
        assert "onnxruntime cannot load faulty.onnx" in problem

    def test_a_graph_that_does_not_run(self, shelf: Path) -> None:
        model = graph(
            [node("Reshape", "input to", "output")],
            [port("input", [1, 3, "h", "w"])],
            [port("output", [1, 3, "a", "b"])],
            [constant("to", [1, 3, 7, 7], np.int64)],
        )
        shelve(shelf, "faulty", model, "repair", SMALL)
        (problem,) = Models(Folder(shelf)).problems()
        assert "onnxruntime cannot run faulty.onnx" in problem

    def test_a_good_model_passes(self, shelf: Path) -> None:
        shelve(shelf, "good", blurrer(), "repair", SMALL)
        assert Models(Folder(shelf)).problems() == ()


def test_the_outline_of_a_file_is_what_onnx_says() -> None:
    for model in (enlarger(4), inpainter(64), affine(1, 1, 0, outputs=7), with_weight()):
        outline = read_graph(model.SerializeToString())
        assert [p.name for p in outline.inputs] == [p.name for p in model.graph.input]
        assert [p.name for p in outline.outputs] == [p.name for p in model.graph.output]
        shape = [d.dim_value or None for d in model.graph.input[0].type.tensor_type.shape.dim]
        assert list(outline.inputs[0].shape or ()) == shape
        assert outline.domains == {""}


def test_mutated_files_never_do_worse_than_an_error() -> None:
    content = bytearray(external_in_a_branch().SerializeToString())
    rng = np.random.default_rng(3)
    for _ in range(3000):
        changed = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 6)):
            changed[at] = rng.integers(0, 256)
        with contextlib.suppress(CardError):
            read_graph(bytes(changed[: rng.integers(1, len(changed) + 1)]))
