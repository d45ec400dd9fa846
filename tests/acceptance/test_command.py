"""hili_enhance: photos from a shell, one or many, with no worker running."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from django_hili.models import Media, MediaKind, PhotoJob
from tests import photos
from tests.processes import finish, kill_group, start, wait_until

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


def test_what_is_too_long_for_a_jpeg_is_refused_unless_it_becomes_a_png(settings, tmp_path):
    settings.HILI = {"LIMITS": {"MAX_RESULT_SIDE": 100_000}}
    path = tmp_path / "long.png"
    path.write_bytes(photos.png(2, 32_800))
    doubled = ("--operations", "sr", "--scale", "2")
    for extra in ((), ("--dry-run",)):
        with pytest.raises(CommandError, match=r"than 65500 pixels.*\[result_too_large\]"):
            call_command(
                "hili_enhance", str(path), "--out", str(tmp_path / "o.jpg"), *doubled, *extra
            )
        call_command("hili_enhance", str(path), "--out", str(tmp_path / "o.png"), *doubled, *extra,
                     "--overwrite")  # fmt: skip
    with Image.open(tmp_path / "o.png") as opened:
        assert opened.size == (4, 65_600)


@pytest.fixture
def folder(tmp_path):
    """Good and bad photos, some deeper, one hidden, and something that is none."""
    root = tmp_path / "photos"
    (root / "deep").mkdir(parents=True)
    (root / "a.jpg").write_bytes(photos.seeded_jpeg())
    (root / "b.png").write_bytes(photos.seeded_png())
    (root / "bad.jpg").write_bytes(photos.truncated_jpeg())
    (root / "deep" / "c.webp").write_bytes(photos.seeded_webp())
    (root / "notes.txt").write_text("no photo")
    (root / ".d.jpg").write_bytes(photos.jpeg())
    (tmp_path / "results").mkdir()
    return root


def results_of(folder) -> dict[str, bytes]:
    out = folder.parent / "results"
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_many_go_on_after_a_bad_one_and_say_what_was_done(folder, source, capsys, stored):
    with pytest.raises(CommandError, match="1 of 5 photos have no result"):
        call_command(
            "hili_enhance", str(folder), str(source), "--out", str(folder.parent / "results"),
            "--operations", "sr", "--scale", "2",
        )  # fmt: skip
    made = results_of(folder)
    assert sorted(made) == ["CANARYFILENAME.jpg", "a.jpg", "b.png", "deep/c.jpg"]
    for name, content in made.items():
        with Image.open(io.BytesIO(content)) as opened:
            assert (opened.size, opened.format == "PNG") == ((120, 80), name.endswith("png"))
    said = capsys.readouterr()
    assert "bad.jpg: The photo is damaged or cut short" in said.err
    assert "[photo_damaged]" in said.err
    assert "a.jpg: 120×80 (sr: " in said.out
    assert nothing_left(stored)


def test_few_are_stored_at_a_time(folder, monkeypatch, settings):
    from django_hili.jobs import work_through

    for number in range(9):
        (folder / f"more{number}.jpg").write_bytes(photos.jpeg())
    most = 0
    fill = work_through._Stream._fill

    def watched(self):
        nonlocal most
        fill(self)
        sources = Media.objects.filter(kind=MediaKind.SOURCE).count()
        most = max(most, PhotoJob.objects.count(), sources)

    monkeypatch.setattr(work_through._Stream, "_fill", watched)
    with pytest.raises(CommandError, match="1 of 13"):
        call_command(
            "hili_enhance", str(folder), "--out", str(folder.parent / "results"),
            "--operations", "sr", "--scale", "2",
        )  # fmt: skip
    assert len(results_of(folder)) == 12
    assert most == 3  # two slots and the next one


def test_what_is_there_is_left_alone_unless_told(folder, capsys):
    words = ("hili_enhance", str(folder / "a.jpg"), str(folder / "b.png"))
    words += ("--out", str(folder.parent / "results"), "--operations", "sr", "--scale", "2")
    (folder.parent / "results" / "a.jpg").write_bytes(b"mine")
    with pytest.raises(CommandError, match="1 of 2"):
        call_command(*words)
    assert results_of(folder)["a.jpg"] == b"mine"
    assert "[result_exists]" in capsys.readouterr().err
    call_command(*words, "--overwrite")
    assert results_of(folder)["a.jpg"] != b"mine"


def test_one_file_is_left_alone_unless_told(source, tmp_path):
    out = tmp_path / "o.png"
    out.write_bytes(b"mine")
    words = ("hili_enhance", str(source), "--out", str(out), "--operations", "sr", "--scale", "2")
    with pytest.raises(CommandError, match="result_exists"):
        call_command(*words)
    assert out.read_bytes() == b"mine"
    call_command(*words, "--overwrite")
    assert out.read_bytes().startswith(b"\x89PNG")


def test_two_photos_never_become_one_file(folder, capsys):
    (folder / "a.webp").write_bytes(photos.seeded_webp())
    with pytest.raises(CommandError, match="2 of 5"):
        call_command(
            "hili_enhance", str(folder), "--out", str(folder.parent / "results"),
            "--operations", "sr", "--scale", "2", "--overwrite",
        )  # fmt: skip
    assert "a.webp: Another photo of this run has the same name" in capsys.readouterr().err


def test_what_is_to_be_transparent_becomes_a_png(folder, capsys):
    call_command(
        "hili_enhance", str(folder / "a.jpg"), "--out", str(folder.parent / "results"),
        "--operations", "bg", "--background", "transparent", "--dry-run",
    )  # fmt: skip
    assert "a.png by bg" in capsys.readouterr().out


def test_a_dry_run_stores_and_writes_nothing(folder, capsys, stored):
    with pytest.raises(CommandError, match="1 of 4"):
        call_command(
            "hili_enhance", str(folder), "--out", str(folder.parent / "results"), "--dry-run"
        )
    said = capsys.readouterr()
    assert "a.jpg (60×40): would become" in said.out
    assert "repair, sr" in said.out
    assert "[photo_damaged]" in said.err
    assert results_of(folder) == {}
    assert nothing_left(stored)


def test_the_contact_sheet_shows_all_before_and_after(folder, tmp_path, capsys):
    (folder / "bad.jpg").unlink()
    sheet = tmp_path / "sheet.jpg"
    call_command(
        "hili_enhance", str(folder), "--out", str(tmp_path / "results"), "--operations", "sr",
        "--scale", "2", "--contact-sheet", str(sheet),
    )  # fmt: skip
    assert "3 before and after" in capsys.readouterr().out
    with pytest.raises(CommandError, match="result_exists"):
        call_command(
            "hili_enhance", str(folder), "--out", str(tmp_path / "results"),
            "--contact-sheet", str(sheet),
        )  # fmt: skip
    with Image.open(sheet) as opened:
        assert (opened.format, opened.size) == ("JPEG", (2 * 548, 2 * 302))
        # Both halves of the first pair show the same scene.
        before = opened.crop((12, 12 + 43, 268, 12 + 213)).resize((16, 10)).convert("L")
        after = opened.crop((280, 12 + 43, 536, 12 + 213)).resize((16, 10)).convert("L")
    assert np.abs(np.asarray(before, float) - np.asarray(after, float)).mean() < 6
    assert np.asarray(before).std() > 15


def test_interrupted_it_leaves_nothing(folder, tmp_path, stored):
    for number in range(30):
        (folder / f"more{number}.jpg").write_bytes(photos.jpeg(900, 600))
    process = start(
        "hili_enhance", str(folder), "--out", str(tmp_path / "results"), "--preset", "photo-4x"
    )
    try:
        wait_until(lambda: results_of(folder), what="a first result")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        kill_group(process)
    assert process.returncode != 0
    assert "Nothing of the photos is kept" in output.decode()
    assert nothing_left(stored)
    assert len(results_of(folder)) < 30
