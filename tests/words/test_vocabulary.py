"""What can be asked for checks itself before anything is stored."""

from __future__ import annotations

import pytest

from django_hili.codes import SENTENCES, Code, sentence
from django_hili.exceptions import InvalidOptionsError
from django_hili.vocabulary import (
    IMAGE_TYPE_LABELS,
    OPERATION_LABELS,
    PRESETS,
    Background,
    Capabilities,
    Enhancement,
    ImageType,
    Operation,
    read_enhancement,
)

WRONG = [
    ({"operations": []}, "operations", Code.OPERATION_MISSING),
    ({"operations": ["beautify"]}, "operations", Code.OPERATION_UNKNOWN),
    ({"operations": ["repair", "repair"]}, "operations", Code.OPERATION_REPEATED),
    ({"operations": ["sr"], "scale": 3}, "scale", Code.SCALE_UNSUPPORTED),
    ({"operations": ["repair"], "scale": 2}, "scale", Code.SCALE_WITHOUT_SR),
    ({"operations": ["bg"]}, "background", Code.BACKGROUND_MISSING),
    ({"operations": ["bg"], "background": "plaid"}, "background", Code.BACKGROUND_INVALID),
    ({"operations": ["bg"], "background": "1,2,999"}, "background", Code.BACKGROUND_INVALID),
    ({"operations": ["repair"], "background": "red"}, "background", Code.BACKGROUND_WITHOUT_BG),
    ({"operations": ["repair"], "image_type": "dog"}, "image_type", Code.IMAGE_TYPE_UNKNOWN),
    ({"operations": ["repair"], "dpi": 9}, "dpi", Code.DPI_UNSUPPORTED),
    ({"operations": ["repair"], "format": "bmp"}, "format", Code.FORMAT_UNSUPPORTED),
]


@pytest.mark.parametrize(("words", "field", "code"), WRONG)
def test_wrong_words_are_named(words, field, code):
    with pytest.raises(InvalidOptionsError) as refusal:
        read_enhancement(**words)
    assert [(problem.field, problem.code) for problem in refusal.value.problems] == [(field, code)]


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidOptionsError) as refusal:
        read_enhancement(operations=["sr"], scale=3, image_type="dog", dpi=1)
    assert {problem.field for problem in refusal.value.problems} == {"scale", "image_type", "dpi"}


def test_a_scale_may_be_left_to_a_provider_that_picks_one():
    asked = read_enhancement(operations=["sr"])
    (problem,) = asked.problems(Capabilities(operations={Operation.SR: None}, scales=(2, 4)))
    assert (problem.field, problem.code) == ("scale", Code.SCALE_MISSING)
    assert problem.sentence == "Super-resolution needs a scale. Use: 2, 4."
    assert asked.problems(Capabilities(operations={Operation.SR: None}, picks_scale=True)) == ()


def test_a_provider_is_asked():
    only_repair = Capabilities(operations={Operation.REPAIR: None, Operation.SR: "needs_model"})
    asked = Enhancement((Operation.REPAIR, Operation.SR, Operation.BG), scale=2)
    problems = asked.problems(only_repair)
    assert [problem.code for problem in problems] == [Code.OPERATION_UNAVAILABLE] * 2
    assert "sr" in problems[0].sentence
    assert Enhancement((Operation.REPAIR,)).problems(only_repair) == ()


@pytest.mark.parametrize(
    ("text", "rgb"),
    [("red", (235, 51, 35)), ("#0A0b0C", (10, 11, 12)), ("85,142,213", (85, 142, 213)),
     ("transparent", None), ("gradient_grey", None)],
)  # fmt: skip
def test_backgrounds_are_read(text, rgb):
    assert Background.parse(text).rgb == rgb


def test_every_code_has_a_sentence_that_says_something():
    assert set(SENTENCES) == set(Code)
    for code in Code:
        text = sentence(code)
        assert text.endswith((".", "{reason}", "{choices}.")), code
        assert text[0].isupper(), code


def test_an_unknown_code_reads_as_an_internal_error():
    assert sentence("no_such_code") == sentence(Code.INTERNAL_ERROR)


def test_every_word_has_a_label():
    assert set(OPERATION_LABELS) == set(Operation)
    assert set(IMAGE_TYPE_LABELS) == set(ImageType)


def test_presets_are_valid_in_themselves():
    for preset in PRESETS.values():
        read_enhancement(
            operations=[operation.value for operation in preset.enhancement.operations],
            scale=preset.enhancement.scale,
            image_type=preset.enhancement.image_type.value,
        )
