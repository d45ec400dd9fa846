"""`audit --canary`: nobody lives through the site; all that they bring is looked for and gone."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import secrets
from pathlib import Path

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_hili import queue
from django_hili.jobs.canary import enhancing, site, trial
from django_hili.jobs.canary.trial import run_canary
from django_hili.jobs.pause import pause_provider
from django_hili.media import intake, keystore, sealing, sink, uploads
from django_hili.models import Consent, Media, ProviderState, Receipt, Subject
from django_hili.privacy.audit import synthetic
from django_hili.privacy.audit.residue import files, look
from django_hili.privacy.consent.policies import publish, version_in_force
from django_hili.privacy.erasure import erase
from django_hili.privacy.erasure.sweep import sweep_thoroughly
from django_hili.privacy.erasure.vanished import vanished_subjects
from django_hili.privacy.erasure.winddown import wind_down
from tests.processes import running, wait_until
from tests.unsealed import Unsealed, opened_as_it_is
from tests.vendors import charges, vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
OURS = ("HILI-5c", "AIART-4.2.2", "PIXEL-4.1b", "MIAO-7.3c")
LEFT = {"receipt", "chain", "heartbeat"}
"""Tables that a trial may leave rows in."""


@pytest.fixture(autouse=True)
def _own_upload_folder(settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)


@pytest.fixture
def published():
    """A site whose policy can be agreed to."""
    return publish()


def rows() -> dict[str, int]:
    """How many rows each of our tables has."""
    return {
        model._meta.model_name: model._base_manager.count()
        for model in apps.get_app_config("django_hili").get_models()
    }


def found(report, part: str):
    """What the report says of the places whose name begins so."""
    return [place for place in report.places if place.name.startswith(part)]


@pytest.mark.clause(*OURS, "HILI-API-5", "MIAO-2.1d")
def test_everything_is_seen_and_nothing_stays_but_receipts(published, stored, capsys, tmp_path):
    before = rows()
    call_command("hili_privacy", "audit", "--canary", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["is_clean"]
    assert told["canary"]["is_clean"]
    assert told["canary"]["enhanced_by"] == "here"
    assert (told["canary"]["objects"], told["canary"]["receipts"]) == (2, 2)
    names = {place["name"] for place in told["canary"]["places"]}
    tables = {model._meta.db_table for model in apps.get_app_config("django_hili").get_models()}
    # A batch is ids and times: nothing in it is wide enough for a word.
    assert {f"table {table}" for table in tables - {"django_hili_photobatch"}} <= names
    assert {"photo storage (hili)", "key folder", "evidence folder", "upload folder",
            "cache (default)", "log of this process", "open files without a name",
            "queue tables"} <= names  # fmt: skip
    for place in told["canary"]["places"]:
        assert place["is_seen"], place
        assert (place["found_before"], place["found_after"]) == (0, 0), place
    spool = next(p for p in told["canary"]["places"] if p["name"].startswith("open files"))
    assert spool["bytes_read"] > 2_500_000
    after = rows()
    assert {name for name in after if after[name] != before[name]} <= LEFT
    assert stored() == {}
    assert list(tmp_path.iterdir()) == []
    assert queue.tasks_with_content() == 0


def test_it_is_told_in_lines(published, capsys):
    call_command("hili_privacy", "audit", "--canary")
    text = capsys.readouterr().out
    assert "ok    photo storage (hili): seen, " in text
    assert "2 of 2 erased photos have their one receipt" in text
    assert "enhanced in this process" in text
    assert "FAIL" not in text


def in_queue(word: str) -> None:
    from django_q.tasks import async_task

    async_task(queue.SHIFT, word, save=False)


def beside(folder: Path, word: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "copy").write_text(word)


LEAKS = {
    "table django_hili_providerstate": lambda word: ProviderState.objects.create(alias=word),
    "log": lambda word: logging.getLogger("django_hili").warning("an upload: %s", word),
    "cache": lambda word: cache.set("upload", word),
    "upload folder": lambda word: beside(files._upload_folder(), word),
    "key folder": lambda word: beside(keystore.key_folder(), word),
    "evidence folder": lambda word: beside(sink.evidence_folder(), word),
    "queue tables": in_queue,
}


@pytest.mark.clause(*OURS)
@pytest.mark.parametrize("where", LEAKS)
def test_what_an_upload_leaves_is_found_where_it_lies(published, monkeypatch, where, request):
    if where == "queue tables" and not queue.lies_in_the_database():
        where = "queue broker"
    kept = uploads.SealedUploadHandler.new_file

    def leaks(self, field_name, file_name, *rest, **options):
        LEAKS[request.node.callspec.params["where"]](file_name.removesuffix(".jpg"))
        return kept(self, field_name, file_name, *rest, **options)

    monkeypatch.setattr(uploads.SealedUploadHandler, "new_file", leaks)
    report = run_canary()
    cache.clear()
    assert not report.is_clean
    dirty = {place.name for place in report.places if not place.is_clean}
    # A row also lies in the file of its database.
    assert dirty - {"database file (default)"} == {place.name for place in found(report, where)}
    assert all(place.found_before and place.found_after for place in found(report, where))


@pytest.mark.clause(*OURS, "HILI-5a", "AIART-F2", "MIAO-7.3b", "MIAO-2.1d")
def test_without_sealing_spool_and_photos_are_found(published, monkeypatch):
    monkeypatch.setattr(sealing, "Sealer", Unsealed)
    monkeypatch.setattr(sealing, "seal", lambda pieces, **_: pieces)
    monkeypatch.setattr(sealing, "unseal", opened_as_it_is)
    report = run_canary()
    assert not report.is_clean
    dirty = {place.name: place.found_before for place in report.places if place.found_before}
    assert dirty.keys() == {"photo storage (hili)", "open files without a name"}
    # The file's name is in neither; camera, comment, XMP, trailer and pixels are in the spool.
    assert dirty["open files without a name"] >= 4
    assert not any(place.found_after for place in report.places)


@pytest.mark.clause(*OURS, "HILI-1.3.2", "AIART-1.2.2")
def test_without_cleaning_metadata_are_found(published, monkeypatch, settings):
    settings.HILI = {**settings.HILI, "VAULT": {"ENCRYPT": False}}
    assert run_canary().is_clean  # a storage that encrypts by itself: pixels may lie open here
    clean = intake.clean

    def copied(content, **limits):
        return dataclasses.replace(clean(content, **limits), content=content)

    monkeypatch.setattr(intake, "clean", copied)
    report = run_canary()
    dirty = {place.name: place.found_before for place in report.places if place.found_before}
    assert dirty == {"photo storage (hili)": 4}


@pytest.mark.clause(*OURS, "HILI-4.2", "MIAO-5.3")
def test_files_that_are_not_deleted_are_found(published, monkeypatch, stored):
    monkeypatch.setattr(erase, "erase_files", lambda _, names: list(names))
    report = run_canary()
    assert not report.is_clean
    assert len(stored()) == 2
    assert found(report, "photo storage")[0].found_after == 2


@pytest.mark.clause(*OURS)
def test_rows_that_stay_are_found(published, monkeypatch):
    monkeypatch.setattr(trial, "end_nobody", lambda ref: None)
    report = run_canary()
    assert not report.is_clean
    dirty = {place.name for place in report.places if place.found_after}
    assert {"table django_hili_subject", "table django_hili_photojob"} <= dirty
    assert report.receipts == 1  # the source's


@pytest.mark.clause(*OURS)
def test_a_missing_receipt_is_noticed(published, monkeypatch):
    monkeypatch.setattr(erase, "append_alike", lambda *_: 0)
    report = run_canary()
    assert (report.objects, report.receipts, report.is_clean) == (2, 0, False)


@pytest.mark.clause(*OURS)
def test_a_place_that_cannot_be_seen_is_no_proof(published, monkeypatch, capsys):
    monkeypatch.setattr(files.PhotoFiles, "pieces", lambda self: iter(()))
    with pytest.raises(CommandError):
        call_command("hili_privacy", "audit", "--canary")
    assert "FAIL  photo storage (hili): NOT SEEN" in capsys.readouterr().out


def test_a_word_that_two_pieces_share_is_found():
    assert look.look([b"..hc12", b"34.."], [b"hc1234"]).found == {b"hc1234"}
    assert look.look([b"..hc12", b"", b"34.."], [b"hc1234"]) == look.Look(
        10, frozenset([b"hc1234"])
    )
    assert look.look([b"..hc12", b"43.."], [b"hc1234"]).found == frozenset()


def test_a_site_that_cannot_try_is_told_and_left_alone(settings, monkeypatch, stored):
    before = rows()
    with pytest.raises(CommandError, match="No policy is published"):
        call_command("hili_privacy", "audit", "--canary")
    assert rows() == before
    publish()
    pause_provider(provider="local")
    with pytest.raises(CommandError, match="paused"):
        call_command("hili_privacy", "audit", "--canary")
    assert not Subject.objects.exists()
    assert stored() == {}


def test_nothing_is_ever_sent_to_another_company(settings):
    with vendor_for(settings) as vendor:
        publish()
        with pytest.raises(CommandError, match="No provider works on this machine"):
            call_command("hili_privacy", "audit", "--canary")
        local = {"local": {"BACKEND": "django_hili.providers.local.LocalProvider"}}
        providers = {**settings.HILI["PROVIDERS"], **local}
        settings.HILI = {**settings.HILI, "PROVIDERS": providers}
        publish()
        assert run_canary().is_clean
        assert charges(vendor) == 0
        assert vendor.control.ledger() == []


def test_a_site_whose_photos_show_nobody_needs_no_policy(settings):
    privacy = {**settings.HILI["PRIVACY"], "BASIS": "no_personal_data"}
    settings.HILI = {**settings.HILI, "PRIVACY": privacy}
    assert run_canary().is_clean
    assert not Consent.objects.exists()


def test_a_service_that_has_ended_takes_nobody_in(published):
    wind_down()
    with pytest.raises(CommandError, match="service_ended"):
        call_command("hili_privacy", "audit", "--canary")


@pytest.mark.clause(*OURS)
def test_a_running_cluster_enhances_it(published):
    from django_q.models import OrmQ, Schedule

    queue.ensure_schedule()
    try:
        with running("qcluster"):
            wait_until(enhancing.seems_to_run, what="the cluster's first look")
            reports = [run_canary() for _ in range(2)]
    finally:
        Schedule.objects.all().delete()
        OrmQ.objects.all().delete()
    assert [report.enhanced_by for report in reports] == ["worker", "worker"]
    assert all(report.is_clean for report in reports), reports


@pytest.mark.clause("AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_nobody_is_left_alone_for_an_hour_and_then_gone(published, stored):
    person = synthetic.Nobody()
    site.agree(person)
    ref = Subject.objects.get().pk
    now = timezone.now()
    assert list(vanished_subjects()) == []
    sweep_thoroughly(now)
    assert Subject.objects.exists()
    Subject.objects.update(created_at=now - synthetic.LONGEST_TRIAL)
    assert list(vanished_subjects()) == [ref]
    sweep_thoroughly(now)
    assert not Subject.objects.exists()
    assert not Consent.objects.exists()
    assert Receipt.objects.filter(kind="account_cancelled", object_id=str(ref)).count() == 1


def test_a_plant_left_behind_is_swept(published, tmp_path):
    folders = list(files.folders(timezone.now()))
    left = [folder.path / f"{look.PLANT}{secrets.token_hex(8)}" for folder in folders]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(look.new_word())
    other = tmp_path / "somebody-elses"
    other.write_bytes(b"theirs")
    assert sweep_thoroughly(timezone.now()) == 0
    assert all(path.exists() for path in left)
    assert sweep_thoroughly(timezone.now() + dt.timedelta(hours=2)) == len(left) == 3
    assert not any(path.exists() for path in left)
    assert other.exists()


def test_the_audit_by_itself_still_writes_nothing(published, capsys):
    before = rows(), Receipt.objects.count(), version_in_force().number
    call_command("hili_privacy", "audit")
    assert (rows(), Receipt.objects.count(), version_in_force().number) == before
    assert not Media.objects.exists()
    assert "found" not in capsys.readouterr().out.lower()
