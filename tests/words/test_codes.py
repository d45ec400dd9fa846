"""Whatever can be said by a code has a sentence, and a log names an error by its code alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from django_hili.codes import OPERATION_REASONS, Code
from django_hili.engine.catalogue import AVAILABLE
from django_hili.exceptions import (
    HiliConfigurationError,
    InvalidPhotoError,
    ProviderError,
    log_name,
)
from django_hili.providers import local_process
from tests.processes import ROOT


def texts_in(node: ast.AST) -> Iterator[str]:
    """Yield every text that stands in an expression itself, as no key and no argument."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif not isinstance(node, ast.Subscript | ast.Call):
        for part in ast.iter_child_nodes(node):
            yield from texts_in(part)


def warnings_in(tree: ast.AST) -> Iterator[str]:
    """Yield the codes that steps are given, in the call or by a variable of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Step":
            for given in [*node.args[3:], *(k.value for k in node.keywords if k.arg == "warnings")]:
                yield from texts_in(given)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "warnings":
            yield from texts_in(node.value)


def refusals_in(tree: ast.AST) -> Iterator[str]:
    """Yield the codes that the engine refuses by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "EngineRefusal":
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def emitted(find) -> set[str]:
    """Return what is found in all of the app's code."""
    files = [path for path in (ROOT / "django_hili").rglob("*.py") if "sandbox" not in path.parts]
    return {word for path in files for word in find(ast.parse(path.read_text("utf-8")))}


def test_every_warning_of_a_step_has_a_sentence():
    words = emitted(warnings_in)
    assert {"already_clean", "soft_at_x8", "much_of_the_photo_filled"} <= words
    assert words - {code.value for code in Code} == set()


def test_every_refusal_of_the_engine_has_a_sentence():
    words = emitted(refusals_in)
    assert {"busy_background", "model_limit"} <= words
    assert words - set(local_process._REFUSALS) == set()


def test_every_reason_not_to_offer_an_operation_has_words():
    assert {reason for reason in AVAILABLE.values() if reason} <= set(OPERATION_REASONS)


@pytest.mark.parametrize(
    "text",
    [
        'Step("sr", "m", 1.0, ("new_word",))',
        'Step("sr", warnings=("new_word",))',
        'warnings = ("new_word",) if scale == 8 else ()',
        'Step("sr", "m", 1.0, tuple(found["words"]) + ("new_word",))',
    ],
)
def test_a_word_without_a_sentence_is_found(text):
    assert list(warnings_in(ast.parse(text))) == ["new_word"]


class TheirError(Exception):
    """An error of somebody else's, with a code that is no code of ours."""

    code = "words of theirs"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ProviderError(Code.PROVIDER_DOWN, vendor_words="secret"), "ProviderError [provider_down]"),
        (InvalidPhotoError(Code.PHOTO_TOO_LARGE, limit=3), "InvalidPhotoError [photo_too_large]"),
        (HiliConfigurationError("secret"), "HiliConfigurationError"),
        (OSError(2, "secret", "/secret"), "FileNotFoundError"),
        (TheirError("secret"), "TheirError"),
    ],
)
def test_a_log_names_an_error_by_its_kind_and_code(error, name):
    assert log_name(error) == name


def logged_in(tree: ast.AST) -> Iterator[str]:
    """Yield what is logged of a caught error otherwise than by `log_name` or its code."""
    for handler in ast.walk(tree):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            allowed = {f"log_name({handler.name})", f"{handler.name}.code"}
            for node in ast.walk(handler):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                    for words in map(ast.unparse, node.args[1:]):
                        if handler.name in words and words not in allowed:
                            yield words


def test_no_log_line_holds_an_errors_words():
    assert emitted(logged_in) == set()


@pytest.mark.parametrize("words", ["error", "str(error)", "type(error).__name__"])
def test_a_log_line_with_an_errors_words_is_found(words):
    text = f"try:\n    go()\nexcept OSError as error:\n    logger.warning('%s', {words})\n"
    assert list(logged_in(ast.parse(text))) == [words]
