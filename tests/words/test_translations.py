"""Whatever a person reads is there in every language, whole and in the right number."""

from __future__ import annotations

import ast
import gettext
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.utils.translation import ngettext, override

from django_hili.codes import SENTENCES, Code
from django_hili.vocabulary import IMAGE_TYPE_LABELS, OPERATION_LABELS, PRESETS
from tests import people
from tests.host.models import Portrait
from tests.processes import ROOT

LANGUAGES = {"zh_Hans": "zh-hans", "ja": "ja", "es": "es", "fr": "fr"}
APPS = (ROOT / "django_hili", ROOT / "example_project" / "gallery")
CATALOGUES = [
    pytest.param(app / f"locale/{language}/LC_MESSAGES/django.po", id=f"{app.name}-{language}")
    for app in APPS
    for language in LANGUAGES
]
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)[sd]|</?\w+>")
TRANSLATORS = {"_", "gettext", "gettext_lazy", "ngettext"}


@pytest.fixture(autouse=True)
def _own_language():
    """Give the thread its language back: a request leaves its reader's behind."""
    with override("en"):
        yield


@dataclass
class Entry:
    """One message of a catalogue: the words to translate, and the words in each number."""

    originals: list[str]
    translations: list[str]
    is_fuzzy: bool


@cache
def read(path: Path) -> tuple[str, list[Entry]]:
    """Return a catalogue's header and its messages."""
    entries = []
    for block in path.read_text("utf-8").split("\n\n"):
        entry = Entry([], [], re.search(r"^#,.*fuzzy", block, re.MULTILINE) is not None)
        for line in block.splitlines():
            keyword, quote, rest = line.partition('"')
            if line.startswith("#") or not quote:
                continue
            words = ast.literal_eval(quote + rest)
            side = entry.originals if keyword.startswith("msgid") else entry.translations
            if keyword:
                side.append(words)
                last = side
            else:
                last[-1] += words
        entries.append(entry)
    header, *messages = entries
    assert header.originals == [""]
    return header.translations[0], messages


def literals(app: Path) -> set[str]:
    """Return every string that an app's code and templates mark for translation."""
    found = set()
    for path in app.rglob("*.py"):
        if "sandbox" in path.relative_to(app).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in TRANSLATORS:
                words = node.args[0] if node.args else None
                if isinstance(words, ast.Constant) and isinstance(words.value, str):
                    found.add(words.value)
    for path in app.rglob("*.html"):
        found |= set(re.findall(r'\{% translate "([^"]+)"', path.read_text("utf-8")))
    return found


def in_every_language(text: object) -> set[str]:
    """Return what `text` reads in each language that is not English."""
    read_in = set()
    for code in LANGUAGES.values():
        with override(code):
            read_in.add(str(text))
    return read_in


@pytest.mark.parametrize("path", CATALOGUES)
def test_every_message_is_translated(path):
    header, messages = read(path)
    (numbers,) = re.findall(r"nplurals=(\d)", header)
    assert len(messages) > 50
    for entry in messages:
        assert all(words.strip() for words in entry.translations), entry.originals
        assert not entry.is_fuzzy, entry.originals
        expected = int(numbers) if len(entry.originals) == 2 else 1
        assert len(entry.translations) == expected, entry.originals


@pytest.mark.parametrize("path", CATALOGUES)
def test_placeholders_and_tags_are_kept(path):
    for entry in read(path)[1]:
        wanted = sorted(PLACEHOLDER.findall(entry.originals[-1]))
        for words in entry.translations:
            assert sorted(PLACEHOLDER.findall(words)) == wanted, entry.originals


@pytest.mark.parametrize("path", CATALOGUES)
def test_the_compiled_catalogue_says_the_same(path):
    with path.with_suffix(".mo").open("rb") as file:
        compiled = dict(gettext.GNUTranslations(file)._catalog)
    del compiled[""]
    expected = {}
    for entry in read(path)[1]:
        if len(entry.originals) == 1:
            expected[entry.originals[0]] = entry.translations[0]
        else:
            numbered = enumerate(entry.translations)
            expected |= {(entry.originals[0], number): words for number, words in numbered}
    assert compiled == expected


@pytest.mark.parametrize("path", CATALOGUES)
def test_no_string_of_the_code_is_left_out(path):
    known = {entry.originals[0] for entry in read(path)[1]}
    assert literals(path.parents[3]) <= known


@pytest.mark.parametrize("language", LANGUAGES)
def test_app_and_example_use_the_same_words(language):
    # Django merges both catalogues into one, so the first would silently win.
    app, example = (
        {tuple(entry.originals): entry.translations for entry in read(path)[1]}
        for path in (folder / f"locale/{language}/LC_MESSAGES/django.po" for folder in APPS)
    )
    shared = app.keys() & example.keys()
    assert len(shared) > 5
    assert {words: app[words] for words in shared} == {words: example[words] for words in shared}


@pytest.mark.parametrize("code", Code)
def test_every_sentence_is_read_in_four_more_languages(code):
    with override("en"):
        english = str(SENTENCES[code])
    others = in_every_language(SENTENCES[code])
    assert len(others) == len(LANGUAGES)
    assert english not in others


def test_every_choice_is_read_in_four_more_languages():
    labels = [*OPERATION_LABELS.values(), *IMAGE_TYPE_LABELS.values()]
    labels += [preset.label for preset in PRESETS.values()]
    for label in labels:
        with override("en"):
            english = str(label)
        assert english not in in_every_language(label), english


@pytest.mark.parametrize(
    ("language", "count", "words"),
    [
        ("fr", 0, "0 tâche photo a été annulée."),
        ("fr", 1, "1 tâche photo a été annulée."),
        ("fr", 2, "2 tâches photo ont été annulées."),
        ("es", 0, "Se cancelaron 0 tareas de foto."),
        ("es", 1, "Se canceló 1 tarea de foto."),
        ("es", 2, "Se cancelaron 2 tareas de foto."),
        ("es", 1_000_000, "Se cancelaron 1000000 de tareas de foto."),
        ("ja", 1, "1 件の写真ジョブをキャンセルしました。"),
        ("zh-hans", 2, "已取消 2 个照片任务。"),
    ],
)
def test_numbers_take_their_form(language, count, words):
    with override(language):
        text = ngettext(
            "%(count)d photo job was cancelled.", "%(count)d photo jobs were cancelled.", count
        )
    assert text % {"count": count} == words


@pytest.mark.django_db
def test_a_refusal_over_http_is_in_the_readers_language(anna):
    client = people.client_of(anna)
    answer = client.post(
        "/hili/api/v1/jobs/", {"preset": "photo-4x"}, headers={"Accept-Language": "zh-hans"}
    )
    assert answer.json()["code"] == "photo_missing"
    assert answer.json()["detail"] == "没有收到照片。请选择文件后重试。"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh-hans", ["<strong>1 张照片</strong>", "也不收费", "放大 4 倍"]),
        ("ja", ["<strong>写真 1 枚</strong>", "料金もかかりません", "4 倍に拡大"]),
        ("es", ["<strong>1 foto</strong>", "no se cobra nada", "Ampliar al cuádruple"]),
        ("fr", ["<strong>1 photo</strong>", "rien n’est facturé", "Agrandir quatre fois"]),
    ],
)
def test_the_admin_asks_in_the_readers_language(
    django_user_model, anna, photo, language, sentences
):
    portrait = Portrait(owner=anna, title="Ada")
    portrait.image.save("a.jpg", ContentFile(photo))
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("staff", password="staff"))
    page = client.post(
        "/admin/host/portrait/",
        {"action": "enhance_selected_photos", "_selected_action": [portrait.pk]},
        headers={"Accept-Language": language},
    ).content.decode()
    for sentence in sentences:
        assert sentence in page
    for english in ("Nothing leaves it", "What shall be done", "Enlarge four times"):
        assert english not in page
