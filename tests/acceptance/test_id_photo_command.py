"""hili_id_photo: a photo cut for a document, and a sheet of it, from a shell."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png, mark_of
from tests import photos

pytestmark = pytest.mark.process


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "CANARYFILENAME.jpg"
    path.write_bytes(photos.jpeg(900, 1200, exif=photos.seeded_exif(6), comment=b"CANARYCOMMENT"))
    return path


def make(source, *words, name="out.jpg") -> bytes:
    out = source.parent / name
    call_command("hili_id_photo", str(source), "--out", str(out), *words)
    return out.read_bytes()


def test_the_photo_and_its_sheet(source, capsys):
    sheet = source.parent / "sheet.pdf"
    content = make(
        source, "--document", "eu-passport", "--face", "400,200,700,600", "--sheet", str(sheet)
    )
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.size == (413, 531)
    assert b"CANARY" not in content
    assert sheet.read_bytes().startswith(b"%PDF-")
    assert b"CANARY" not in sheet.read_bytes()
    said = capsys.readouterr().out
    assert "413×531 at 300 dpi" in said
    assert "No face was given" not in said


def test_without_a_face_it_warns(source, capsys):
    make(source, "--document", "cn-1-inch", name="out.png")
    assert "No face was given" in capsys.readouterr().out


def test_a_cut_out_gets_the_background_and_keeps_the_mark(source):
    cut_out = source.with_suffix(".png")
    alpha = Image.new("L", (900, 1200), 0)
    cut_out.write_bytes(encode_png(photos.picture(900, 1200), alpha=alpha, mark=SourceType.MODEL))
    sheets = [source.parent / name for name in ("sheet.pdf", "sheet.png")]
    for sheet in sheets:
        content = make(
            cut_out, "--document", "cn-1-inch", "--background", "#438edb", "--overwrite",
            "--sheet", str(sheet), name="out.png",
        )  # fmt: skip
    assert [mark_of(sheet.read_bytes()) for sheet in sheets] == [SourceType.MODEL] * 2
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.getpixel((100, 100)) == (0x43, 0x8E, 0xDB)
    assert mark_of(content) is SourceType.MODEL


@pytest.mark.parametrize("mark", SourceType)
def test_the_photo_of_a_document_says_what_made_it(source, mark):
    source.write_bytes(encode_jpeg(photos.picture(900, 1200), mark=mark))
    assert mark_of(make(source, "--document", "cn-1-inch")) is mark


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--document", "moon"], "document_unknown"),
        (["--document", "cn-1-inch", "--face", "1,2"], "face_box_invalid"),
        (["--document", "cn-1-inch", "--max-kb", "1"], "file_size_unreachable"),
        (["--document", "cn-1-inch", "--sheet", "s.doc"], "sheet must end in"),
        (["--document", "cn-1-inch", "--sheet", "s.pdf", "--paper", "napkin"], "paper_unknown"),
    ],
)
def test_wrong_words_say_why_and_write_nothing(source, words, said, monkeypatch):
    monkeypatch.chdir(source.parent)
    with pytest.raises(CommandError, match=said):
        make(source, *words)
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_bad_photo_says_why(source):
    source.write_bytes(photos.truncated_jpeg())
    with pytest.raises(CommandError, match="photo_damaged"):
        make(source, "--document", "cn-1-inch")


def test_nothing_is_overwritten_unless_told(source):
    (source.parent / "out.jpg").write_bytes(b"mine")
    with pytest.raises(CommandError, match="result_exists"):
        make(source, "--document", "cn-1-inch")
    assert make(source, "--document", "cn-1-inch", "--overwrite") != b"mine"
