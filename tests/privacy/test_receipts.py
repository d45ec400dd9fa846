"""One chain without gaps, which nobody can change unnoticed, and which says nothing of anybody."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from django_hili.exceptions import StorageError
from django_hili.media import sink
from django_hili.models import Chain, Receipt
from django_hili.privacy.evidence import receipts, verify_receipts
from django_hili.privacy.evidence.anchors import anchor, kept_anchors
from django_hili.privacy.evidence.receipts import Event, append
from django_hili.privacy.evidence.verify_receipts import verify

pytestmark = pytest.mark.django_db(transaction=True)
SCRIPT = Path(verify_receipts.__file__)


def erased(count: int = 1) -> list[Event]:
    facts = {"kind": "source", "cause": "job_ended"}
    return [Event("erased", uuid.uuid4(), facts) for _ in range(count)]


def copied() -> list[str]:
    return list(sink.read_lines(sink.sink_path(Chain.objects.the_one().origin)))


def test_receipts_are_numbered_without_gaps_and_each_holds_the_one_before():
    for count in (1, 3, 2):
        append(erased(count))
    rows = list(Receipt.objects.order_by("number"))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].previous == Chain.objects.get().origin
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert receipts.verify_all() == (None, 6)


def test_what_is_rolled_back_leaves_no_gap_and_no_copy():
    append(erased())

    def fail_late():
        with transaction.atomic():
            append(erased(2))
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        fail_late()
    append(erased())
    assert receipts.verify_all() == (None, 2)
    assert len(copied()) == 2


def test_the_copy_outside_the_database_is_the_chain():
    append(erased(5))
    append(erased(5))
    assert copied() == list(receipts.lines())


def test_a_copy_that_was_cut_or_fell_behind_is_made_whole():
    append(erased(5))
    path = sink.sink_path(Chain.objects.get().origin)
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    append(erased(1))
    assert copied() == list(receipts.lines())
    path.unlink()
    assert receipts.copy_all() == 6
    assert copied() == list(receipts.lines())


def test_many_who_append_at_once_make_one_chain():
    append(erased())
    together = threading.Barrier(4)
    failures = []

    def work():
        try:
            together.wait()
            for count in (1, 5, 2, 1, 3):
                append(erased(count))
        except Exception as error:  # noqa: BLE001 - looked at below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert receipts.verify_all() == (None, 1 + 4 * 12)
    assert copied() == list(receipts.lines())


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("erased", {"name": "Anna"}),
        ("erased", {"cause": "an answer as long as somebody might write it, with a name, " * 2}),
        ("erased", {"cause": "Zoë"}),
        ("erased", {"cause": {"anything": 1}}),
        ("gossip", {}),
    ],
)
def test_a_receipt_takes_nothing_but_listed_facts(kind, facts):
    with pytest.raises(ValueError, match=r"receipt|fact"):
        append([Event(kind, uuid.uuid4(), facts)])
    with pytest.raises(ValueError, match="random reference"):
        append([Event("erased", "anna@example.org", {})])
    assert not Receipt.objects.exists()


# The verifier, as somebody runs it who has neither the site nor this app.


def run(folder: Path, lines: list[str], anchors: list[str] | None = None) -> tuple[int, str]:
    (folder / "receipts.jsonl").write_text("".join(f"{line}\n" for line in lines))
    files = ["receipts.jsonl"]
    if anchors is not None:
        (folder / "anchors.jsonl").write_text("".join(f"{line}\n" for line in anchors))
        files.append("anchors.jsonl")
    (folder / "verify.py").write_bytes(SCRIPT.read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", *files],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.fixture
def ten():
    append(erased(6))
    first = anchor()
    append(erased(4))
    return copied(), [first, anchor()]


@pytest.mark.django_db(transaction=True)
def test_an_anchor_never_goes_further_than_the_copy(monkeypatch):
    with monkeypatch.context() as dying:
        dying.setattr(receipts, "_copy", lambda *_: None)  # dead right after its commit
        append(erased(3))
    assert len(copied()) == 0
    anchors = [anchor()]
    assert verify(copied(), anchors) == (None, 3)


def changed(line: str, **values) -> str:
    return json.dumps({**json.loads(line), **values}, sort_keys=True)


def resealed(line: str, **values) -> str:
    """Change a receipt and compute its hash anew, as somebody would who knows how."""
    receipt = {**json.loads(line), **values}
    receipt["hash"] = verify_receipts.hash_of(receipt)
    return json.dumps(receipt)


def rewritten(lines: list[str], start: int) -> list[str]:
    """Write the chain anew from somewhere on, so that it is consistent again."""
    kept, previous = lines[:start], json.loads(lines[start - 1])["hash"]
    for line in lines[start:]:
        kept.append(resealed(line, previous=previous, facts={"cause": "requested"}))
        previous = json.loads(kept[-1])["hash"]
    return kept


TAMPERED = {
    "edited": (lambda r: [*r[:3], changed(r[3], facts={"cause": "expired"}), *r[4:]],
               "receipt 4 was changed after it was written"),
    "edited and resealed": (lambda r: [*r[:3], resealed(r[3], facts={}), *r[4:]],
                            "receipt 5 does not follow the one before it"),
    "dropped": (lambda r: [*r[:3], *r[4:]],
                "receipt 4 is missing: number 5 stands in its place"),
    "the first dropped": (lambda r: r[1:], "receipt 1 is missing: number 2 stands in its place"),
    "inserted": (lambda r: [*r[:3], resealed(r[3], object="x"), *r[3:]],
                 "receipt 5 is missing: number 4 stands in its place"),
    "reordered": (lambda r: [*r[:3], r[4], r[3], *r[5:]],
                  "receipt 4 is missing: number 5 stands in its place"),
    "no receipt at all": (lambda r: [*r[:3], "nonsense", *r[4:]], "receipt 4 cannot be read"),
}  # fmt: skip


@pytest.mark.clause("PIXEL-4.2", "MIAO-7.3c")
@pytest.mark.parametrize("how", TAMPERED)
def test_the_offline_verifier_says_where(tmp_path, ten, how):
    lines, anchors = ten
    assert run(tmp_path, lines) == (0, "ok: 10 receipts")
    assert run(tmp_path, lines, anchors) == (0, "ok: 10 receipts")
    tamper, said = TAMPERED[how]
    assert run(tmp_path, tamper(lines)) == (1, said)


@pytest.mark.clause("PIXEL-4.2", "MIAO-7.3c")
def test_an_anchor_catches_what_the_chain_alone_cannot(tmp_path, ten):
    lines, anchors = ten
    assert run(tmp_path, lines[:8]) == (0, "ok: 8 receipts")
    said = "receipts after 8 are missing: number 10 was anchored"
    assert run(tmp_path, lines[:8], anchors) == (1, said)
    assert run(tmp_path, [], anchors) == (1, "none of the anchors is of these receipts")
    anew = rewritten(lines, 2)
    assert run(tmp_path, anew) == (0, "ok: 10 receipts")
    assert run(tmp_path, anew, anchors) == (1, "receipt 6 is not the one that was anchored")


@pytest.mark.clause("PIXEL-4.2", "MIAO-7.3c")
def test_two_databases_may_have_their_anchors_in_one_file(tmp_path, ten):
    lines, anchors = ten
    Receipt.objects.all().delete()
    Chain.objects.all().delete()
    append(erased(12))
    both = [*anchors, anchor()]
    assert run(tmp_path, lines, both) == (0, "ok: 10 receipts")
    assert run(tmp_path, copied(), both) == (0, "ok: 12 receipts")
    assert receipts.verify_all(kept_anchors()) == (None, 12)
    said = "receipts after 11 are missing: number 12 was anchored"
    assert run(tmp_path, copied()[:11], both) == (1, said)
    # Written anew as a chain that no anchor knows: with anchors at hand that is seen.
    fresh = rewritten([resealed(lines[0], previous="f" * 64), *lines[1:]], 1)
    assert run(tmp_path, fresh) == (0, "ok: 10 receipts")
    assert run(tmp_path, fresh, both) == (1, "none of the anchors is of these receipts")


@pytest.mark.parametrize("torn", [b'{"at":"2030', b"\xff\x00", b"[]"])
def test_an_anchor_that_was_cut_by_a_crash_is_said_and_then_mended(tmp_path, ten, torn):
    lines, _ = ten
    path = sink.evidence_folder() / sink.ANCHORS
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    left = path.read_text("ascii", "replace").splitlines()
    (tmp_path / "left.jsonl").write_bytes(path.read_bytes())
    (tmp_path / "receipts.jsonl").write_text("\n".join(lines))
    assert verify_receipts.main([str(tmp_path / n) for n in ("receipts.jsonl", "left.jsonl")]) == 1
    assert verify(lines, left) == ("anchor 3 cannot be read", 0)
    assert receipts.verify_all(kept_anchors()) == ("anchor 3 cannot be read", 0)
    anchor()
    assert path.read_bytes().startswith(whole)
    assert receipts.verify_all(kept_anchors()) == (None, 10)


@pytest.mark.clause("PIXEL-4.2", "MIAO-7.3c")
def test_a_row_changed_in_the_database_is_found():
    append(erased(5))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_hili_receipt SET facts = '{}' WHERE number = 3")
    assert receipts.verify_all() == ("receipt 3 was changed after it was written", 3)


def test_the_verifier_imports_nothing_of_ours_and_is_short():
    source = SCRIPT.read_text()
    assert "django" not in source
    assert len(source.splitlines()) < 80


def test_a_receipt_is_the_same_whether_it_comes_from_the_database_or_the_copy():
    append(erased(3), now=dt.datetime(2030, 1, 1, 12, 0, 0, 7, tzinfo=dt.UTC))
    assert verify(copied()) == verify(receipts.lines()) == (None, 3)
    assert '"at":"2030-01-01T12:00:00.000007Z"' in copied()[0]


def test_no_number_is_given_twice_after_the_database_was_put_back():
    append(erased(5))
    Receipt.objects.filter(number__gt=3).delete()
    Chain.objects.update(number=3, hash=Receipt.objects.get(number=3).hash)
    with pytest.raises(StorageError):
        append(erased())
    assert Receipt.objects.count() == 3


def test_a_database_of_its_own_begins_a_chain_of_its_own():
    """A test run's or a second site's receipts never make another database look old."""
    append(erased(3))
    Receipt.objects.all().delete()
    Chain.objects.all().delete()
    assert append(erased()) == 1
    assert timezone.now() - Receipt.objects.get().at < dt.timedelta(minutes=1)
