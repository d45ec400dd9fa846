"""The bar of hili_enhance: in plain letters, moving within a photo, on terminals only."""

from __future__ import annotations

import io
import re
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import OutputWrapper
from django.core.management.color import color_style

from django_hili.management.files import ProgressBar, UnderWay
from tests import photos


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_in_plain_letters() -> None:
    terminal = Terminal()
    stream = OutputWrapper(terminal)
    stream.style_func = color_style(force_color=True).ERROR
    stream.write("told")
    assert "\x1b[" in terminal.getvalue()
    before = len(terminal.getvalue())
    bar = ProgressBar(stream, is_drawn=True)
    bar.show("sr", 0.5)
    bar.clear()
    drawn = terminal.getvalue()[before:]
    assert "50%" in drawn
    assert "\x1b" not in drawn
    assert "\n" not in drawn


def test_nothing_is_drawn_where_nobody_looks() -> None:
    plain = io.StringIO()
    bar = ProgressBar(OutputWrapper(plain), is_drawn=False)
    bar.show("sr", 0.5)
    bar.clear()
    assert plain.getvalue() == ""


def test_photos_under_way_count_by_their_stages() -> None:
    under_way = UnderWay(2)
    under_way.tell("one", "repair", 0.5)
    assert under_way.photos() == pytest.approx(0.25)
    under_way.tell("one", "sr", 0.2)
    assert under_way.photos() == pytest.approx(0.6)
    under_way.tell("one", "sr", 0.1)
    assert under_way.photos() == pytest.approx(0.6), "it never goes back"
    under_way.tell("two", "repair", 1.0)
    assert under_way.photos() == pytest.approx(1.1)
    under_way.end("one")
    assert under_way.photos() == pytest.approx(0.5)
    under_way.tell("two", "sending", 1.0)
    under_way.tell("two", "sr", 1.0)
    assert under_way.photos() == pytest.approx(1.0)


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_it_moves_within_a_photo(tmp_path, monkeypatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    (tmp_path / "out").mkdir()
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(photos.jpeg(600, 500))
    names = [str(tmp_path / f"{name}.jpg") for name in "ab"]
    words = ("--out", str(tmp_path / "out"), "--operations", "sr", "--scale", "4")
    call_command("hili_enhance", *names, *words, stderr=terminal)
    shares = {int(share) for share in re.findall(r"(\d+)%", terminal.getvalue())}
    assert shares - {0, 50, 100}
