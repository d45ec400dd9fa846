"""hili_enhance: one photo from a shell, with no worker running."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from django_hili.models import Media, PhotoJob
from tests import photos
from tests.processes import finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "CANARYFILENAME.jpg"
    path.write_bytes(photos.seeded_jpeg())
    return path


def nothing_left(stored) -> bool:
    return not (PhotoJob.objects.exists() or Media.objects.exists() or stored())


def test_from_a_shell(source, tmp_path, stored):
    out = tmp_path / "result.png"
    code, output = finish(
        "hili_enhance", str(source), "--out", str(out), "--operations", "sr", "--scale", "4",
        "--type", "people", "--provider", "local",
    )  # fmt: skip
    assert code == 0, output
    with Image.open(out) as opened:
        assert (opened.format, opened.size) == ("PNG", (240, 160))
    assert "result.png: 240×160" in output
    assert nothing_left(stored)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_the_suffix_chooses_the_format(source, tmp_path, capsys):
    out = tmp_path / "result.jpg"
    call_command("hili_enhance", str(source), "--out", str(out), "--preset", "photo-4x")
    with Image.open(out) as opened:
        assert opened.format == "JPEG"


@pytest.mark.parametrize("code", photos.BAD_PHOTOS)
def test_bad_photos_say_why_and_leave_nothing(tmp_path, code, stored):
    path = tmp_path / "bad.jpg"
    path.write_bytes(photos.BAD_PHOTOS[code])
    out = tmp_path / "out.png"
    with pytest.raises(CommandError, match=rf"\[{code}\]"):
        call_command("hili_enhance", str(path), "--out", str(out), "--preset", "photo-4x")
    assert not out.exists()
    assert nothing_left(stored)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--operations", "beautify"], "operations: There is no such operation"),
        (["--operations", "sr", "--scale", "3"], "scale: That scale is not offered"),
        (["--provider", "moon", "--preset", "photo-4x"], "provider: There is no such provider"),
        (["--preset", "wedding"], "preset: There is no such preset"),
    ],
)
def test_wrong_words_say_why(source, tmp_path, words, said):
    with pytest.raises(CommandError, match=said):
        call_command("hili_enhance", str(source), "--out", str(tmp_path / "o.png"), *words)


def test_paths_are_looked_at_first(source, tmp_path):
    for photo, out, said in (
        (tmp_path / "none.jpg", tmp_path / "o.png", "There is no file"),
        (source, tmp_path / "o.bmp", "must end in"),
        (source, tmp_path / "none" / "o.png", "Make it first"),
        (source, source, "is the photo itself"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("hili_enhance", str(photo), "--out", str(out))
