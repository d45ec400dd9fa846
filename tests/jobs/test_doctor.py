"""The doctor finds what is really broken, names it, and tells no secret doing so."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_hili import queue
from django_hili.jobs.doctor.examine import examine
from django_hili.jobs.doctor.findings import Area, Finding, Level, Report, Sign, in_words
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media.keystore import key_store
from django_hili.models import (
    Breaker,
    Disclosure,
    Heartbeat,
    HeldReason,
    JobStatus,
    PhotoJob,
    ProviderState,
)
from django_hili.sandbox.server import Sandbox
from tests import people, photos
from tests.processes import ROOT, finish, running, wait_until
from tests.vendors import vendor_for as vendor_of_a_bare_site

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def vendor_for(settings: Any, **options: Any) -> Iterator[Sandbox]:
    """A vendor for a site that says who is responsible for it."""
    privacy = settings.HILI["PRIVACY"]
    with vendor_of_a_bare_site(settings, **options) as sandbox:
        settings.HILI = {**settings.HILI, "PRIVACY": privacy}
        yield sandbox


@pytest.fixture(autouse=True)
def _kept_house(settings: Any) -> Iterator[None]:
    """A site that is set up, whose worker has just swept and whose queue has its schedule."""
    privacy = {**settings.HILI["PRIVACY"], "CONTROLLER": "A site"}
    settings.HILI = {**settings.HILI, "PRIVACY": privacy}
    queue.ensure_schedule()
    upkeep()
    yield
    from django_q.models import OrmQ, Schedule, Task

    for model in (Schedule, OrmQ, Task):
        model.objects.all().delete()


@pytest.fixture
def vendor(settings: Any) -> Iterator[Sandbox]:
    with vendor_for(settings) as sandbox:
        yield sandbox


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Call the command as a person would; return its exit code and all it printed."""

    def call(*words: str) -> tuple[int, str]:
        try:
            call_command("hili_doctor", *words)
        except CommandError as error:
            said = capsys.readouterr()
            return error.returncode, said.out + said.err + str(error)
        said = capsys.readouterr()
        return 0, said.out + said.err

    return call


def codes(report: Report) -> list[str]:
    """What was found that is not in order."""
    return [finding.code for finding in report.findings if finding.level is not Level.OK]


def found(report: Report, code: str) -> Finding:
    return next(finding for finding in report.findings if finding.code == code)


# In order.


def test_a_healthy_site_has_no_finding(vendor, doctor):
    code, said = doctor("--skip", "settings", "--json")
    answer = json.loads(said)
    # The sandbox stands in for the vendor: that is the one thing to say about this site.
    wrong = [entry["code"] for entry in answer["findings"] if entry["level"] != "ok"]
    assert (code, wrong) == (0, ["vendor_is_this_machine"])
    assert {entry["area"] for entry in answer["findings"]} == set(Area) - {"settings"}
    asked = next(entry for entry in answer["findings"] if entry["code"] == "provider_ok")
    assert asked["facts"]["credits"] == 1000


def test_the_local_engine_really_works(settings):
    report = examine()
    assert codes(report) == []
    assert found(report, Sign.ENGINE_OK).facts["seconds"] > 0


def test_looking_changes_nothing(vendor, stored, settings):
    before = stored()
    states = list(ProviderState.objects.values())
    examine()
    assert stored() == before
    assert not any(Path(settings.BASE_DIR / "photos" / "hili").glob("*"))
    assert list(ProviderState.objects.values()) == states
    assert [entry for entry in vendor.control.ledger() if entry["credits"]] == []


# Providers.


def test_a_vendor_that_is_away(vendor, doctor):
    vendor.kill()
    code, said = doctor("--json")
    assert code == 1
    assert '"provider_unreachable"' in said


def test_a_wrong_secret(settings):
    with vendor_for(settings, secret_key="another-secret") as vendor:
        report = examine(providers=["hili"])
        assert Sign.CREDENTIALS_REFUSED in codes(report)
        assert vendor.secret_key not in str(report)


def test_an_unknown_partner(settings):
    with vendor_for(settings, third_code="nobody"):
        assert Sign.CREDENTIALS_REFUSED in codes(examine())


def test_a_clock_ten_minutes_off(vendor, doctor):
    vendor.control.fault("wrong_clock", seconds=600)
    report = examine()
    assert found(report, Sign.PROVIDER_OK)
    differs = found(report, Sign.CLOCK_DIFFERS)
    assert differs.level is Level.WARNING
    assert abs(differs.facts["clock_difference_seconds"] - 600) <= 10
    assert "10 minutes ahead" in differs.message
    assert doctor()[0] == 0
    assert doctor("--fail-on", "warning")[0] == 1


def test_a_clock_that_is_off_and_not_told(vendor):
    vendor.control.fault("wrong_clock", seconds=600, tell=False)
    assert Sign.CREDENTIALS_REFUSED in codes(examine())


def test_a_clock_that_is_right(vendor):
    assert Sign.CLOCK_DIFFERS not in codes(examine())


def test_no_credits(vendor):
    vendor.control.fault("no_credits")
    assert found(examine(), Sign.CREDITS_NONE).level is Level.ERROR


@pytest.mark.parametrize(("mark", "is_found"), [(1000, True), (999, False), (None, False)])
def test_few_credits(settings, mark, is_found):
    with vendor_for(settings, low_credits=mark):
        assert (Sign.CREDITS_LOW in codes(examine())) is is_found


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("html", Sign.PROVIDER_UNREADABLE),
        ("broken_json", Sign.PROVIDER_UNREADABLE),
        ("rate_limited", Sign.PROVIDER_BUSY),
        ("http_error", Sign.PROVIDER_UNREACHABLE),
        ("lost_answer", Sign.PROVIDER_UNREACHABLE),
    ],
)
def test_a_vendor_that_answers_badly(vendor, fault, code):
    vendor.control.fault(fault, "nums")
    assert code in codes(examine())


def test_a_secret_that_cannot_be_read(settings):
    def read() -> str:
        raise ConnectionError("store at 10.0.0.1")

    with vendor_for(settings, secret_key=read):
        report = examine()
    assert codes(report).count(Sign.SECRET_UNREADABLE) == 2
    assert "10.0.0.1" not in str(report)


def test_a_set_up_that_is_wrong(settings):
    with vendor_for(settings, platform="moon"):
        report = examine()
    wrong = found(report, Sign.PROVIDER_MISCONFIGURED)
    assert (wrong.level, wrong.subject) == (Level.ERROR, "hili")
    assert "django_hili.E002" not in codes(report)


def test_what_the_rows_say_of_a_provider(settings):
    later = timezone.now() + dt.timedelta(seconds=50)
    ProviderState.objects.create(
        alias="hili", is_paused=True, is_shared=True, breaker=Breaker.DOWN, ask_again_at=later
    )
    with vendor_for(settings, exclusive_account=True):
        wrong = codes(examine())
    assert {Sign.PROVIDER_PAUSED, Sign.PROVIDER_HELD_BACK, Sign.ACCOUNT_SHARED} <= set(wrong)


def test_plain_http_is_a_standing_finding(settings):
    with vendor_for(settings, base_url="http://photos.example.org", allow_http=True):
        assert Sign.PLAIN_HTTP in codes(examine(offline=True))


@pytest.mark.parametrize("wrong", [{"memory_limit": 10_000_000}, {"python": "/nowhere/python"}])
def test_an_engine_that_cannot_start(settings, wrong):
    backend = "django_hili.providers.local.LocalProvider"
    settings.HILI = {"PROVIDERS": {"local": {"BACKEND": backend, "OPTIONS": wrong}}}
    assert found(examine(), Sign.ENGINE_FAILED).level is Level.ERROR


def test_one_provider_alone_is_looked_at(vendor, settings, doctor):
    settings.HILI["PROVIDERS"]["away"] = {
        **settings.HILI["PROVIDERS"]["hili"],
        "OPTIONS": {**settings.HILI["PROVIDERS"]["hili"]["OPTIONS"], "secret_key": "x" * 9},
    }
    settings.HILI = dict(settings.HILI)
    assert doctor()[0] == 1
    assert doctor("--provider", "hili")[0] == 0
    code, said = doctor("--provider", "moon")
    assert (code, "There is no provider 'moon'" in said) == (1, True)


def test_offline_asks_nobody(vendor, monkeypatch):
    real = socket.getaddrinfo

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    def only_the_database(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        return real(host, port, *rest, **more) if port == 3306 else refuse()

    ProviderState.objects.create(
        alias="hili", credits=7, credits_at=timezone.now() - dt.timedelta(hours=3)
    )
    if os.environ.get("HILI_TEST_DATABASE", "sqlite") == "sqlite":
        monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", only_the_database)
    report = examine(offline=True)
    known = found(report, Sign.PROVIDER_NOT_ASKED)
    assert known.facts["credits"] == 7
    assert 0 <= known.facts["credits_age_seconds"] - 3 * 3600 < 60
    assert "7 credits left when counted 3 hours ago" in known.message
    assert not [item for item in report.findings if item.level is Level.ERROR]


# Settings, database.


def test_settings_that_cannot_be_read(settings, doctor):
    settings.HILI = {"PROVIDER": {}}
    code, said = doctor("--json")
    answer = json.loads(said[: said.rindex("}") + 1])
    assert code == 1
    assert [entry["code"] for entry in answer["findings"]] == ["django_hili.E001"]


def test_a_site_without_tables(tmp_path):
    empty = str(tmp_path / "empty.sqlite3")
    code, said = finish("hili_doctor", HILI_TEST_NAME=empty, HILI_TEST_DATABASE="sqlite")
    assert code == 1
    assert "[migrations_missing]" in said
    assert "python manage.py migrate" in said
    assert "Traceback" not in said


# Storage.


def test_a_folder_that_cannot_be_written(settings):
    # Root may write to any folder; nobody makes folders below /sys.
    where = "/sys/hili-photos"
    if os.geteuid():
        where = str(settings.BASE_DIR / "read-only")
        Path(where).mkdir(mode=0o500, exist_ok=True)
    settings.STORAGES = {**settings.STORAGES, "hili": folder(where)}
    unusable = found(examine(), Sign.STORAGE_UNUSABLE)
    assert unusable.level is Level.ERROR
    assert where not in unusable.message


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of this machine can come near."""
    path = Path(tempfile.mkdtemp(prefix="hili-open-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize(("mode", "is_found"), [(0o644, True), (0o600, False)])
def test_photos_that_every_user_can_read(settings, open_folder, mode, is_found):
    entry = folder(str(open_folder), file_permissions_mode=mode)
    settings.STORAGES = {**settings.STORAGES, "hili": entry}
    assert (Sign.STORAGE_READABLE_BY_OTHERS in codes(examine())) is is_found
    open_folder.chmod(0o750)
    assert Sign.STORAGE_READABLE_BY_OTHERS not in codes(examine())


class Keeping(FileSystemStorage):
    """Says that it deleted."""

    def delete(self, name: str) -> None:
        pass


class Altering(FileSystemStorage):
    """Gives other bytes back."""

    def open(self, name: str, mode: str = "rb") -> Any:
        Path(self.path(name)).write_bytes(b"other")
        return super().open(name, mode)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("Keeping", Sign.STORAGE_KEEPS_DELETED), ("Altering", Sign.STORAGE_UNUSABLE)],
)
def test_a_storage_that_cheats(settings, kind, code, tmp_path):
    entry = {"BACKEND": f"{__name__}.{kind}", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "hili": entry}
    assert found(examine(), code).level is Level.ERROR


def test_photos_under_a_public_address(settings):
    settings.MEDIA_ROOT = str(settings.BASE_DIR)
    assert found(examine(), "django_hili.W001").area is Area.STORAGE


def folder(where: str, **options: Any) -> dict[str, Any]:
    backend = "django.core.files.storage.FileSystemStorage"
    return {"BACKEND": backend, "OPTIONS": {"location": where, **options}}


# Keys.


def with_vault(settings: Any, **values: Any) -> None:
    settings.HILI = {**settings.HILI, "VAULT": values}


def test_keys_are_kept_and_forgotten(settings):
    before = key_store().list()
    assert found(examine(), Sign.KEYS_OK)
    assert key_store().list() == before


def test_a_place_for_keys_that_cannot_be_written(settings, tmp_path):
    (tmp_path / "file").touch()
    with_vault(settings, KEY_FOLDER=str(tmp_path / "file" / "keys"))
    assert found(examine(), Sign.KEYS_UNUSABLE).level is Level.ERROR


def test_keys_that_are_gone(settings, waiting):
    assert found(examine(), Sign.KEYS_OK).facts["in_use"] == 1
    for hour in key_store().list():
        key_store().destroy(hour)
    assert found(examine(), Sign.KEYS_MISSING).facts == {"missing": 1, "needed": 1}


def test_keys_that_every_user_can_read(settings, open_folder):
    with_vault(settings, KEY_FOLDER=str(open_folder))
    (open_folder / "20300101T00Z.key").touch(0o600)
    assert Sign.KEYS_READABLE_BY_OTHERS not in codes(examine())
    (open_folder / "20300101T00Z.key").chmod(0o644)
    assert Sign.KEYS_READABLE_BY_OTHERS in codes(examine())


def test_photos_that_are_not_sealed(settings):
    with_vault(settings, ENCRYPT=False)
    assert found(examine(), Sign.PHOTOS_NOT_SEALED).level is Level.WARNING


# Queue.


def test_a_queue_that_runs_work_twice(settings):
    wrong = {"orm": "default", "retry": 30, "queue_limit": 9}
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, **wrong}
    report = examine()
    numbers = ("django_hili.W004", "django_hili.W005", "django_hili.W006")
    assert [found(report, number).area for number in numbers] == [Area.QUEUE] * 3


def test_a_broker_that_is_away():
    code, said = finish(
        "hili_doctor", "--json", "--skip", "providers",
        HILI_TEST_BROKER="redis", REDIS_URL="redis://:hush-hush@127.0.0.1:1/0",
    )  # fmt: skip
    assert code == 1
    assert '"broker_down"' in said
    assert "hush-hush" not in said
    code, said = finish(
        "hili_doctor", "--json", "--offline", "--skip", "settings",
        HILI_TEST_BROKER="redis", REDIS_URL="redis://127.0.0.1:1/0",
    )  # fmt: skip
    assert '"broker_not_asked"' in said
    assert code == 0, said


def test_a_queue_without_a_schedule():
    from django_q.models import Schedule

    Schedule.objects.all().delete()
    assert found(examine(), Sign.SCHEDULE_MISSING).level is Level.WARNING  # `hili_run` may do it
    Heartbeat.objects.all().delete()
    assert found(examine(), Sign.SCHEDULE_MISSING).level is Level.ERROR


def test_a_schedule_that_stands_still():
    from django_q.models import Schedule

    Schedule.objects.update(next_run=timezone.now() - dt.timedelta(minutes=20))
    assert codes(examine()) == []  # `hili_run` keeps house
    Heartbeat.objects.all().delete()
    stuck = found(examine(), Sign.SCHEDULE_STUCK)
    assert stuck.level is Level.ERROR
    assert "20 minutes late" in stuck.message


# Workers.


def beat(began: float, finished: float | None) -> None:
    now = timezone.now()
    Heartbeat.objects.update(
        began_at=now - dt.timedelta(minutes=began),
        finished_at=None if finished is None else now - dt.timedelta(minutes=finished),
    )


def test_no_worker_ever():
    Heartbeat.objects.all().delete()
    assert found(examine(), Sign.WORKER_NEVER_SEEN).level is Level.ERROR


@pytest.mark.parametrize(
    ("began", "finished", "code"),
    [
        (2, 2, None),
        (2, 3, None),
        (4, 4, Sign.WORKER_SILENT),
        (600, 600, Sign.WORKER_SILENT),
        (1, 10, Sign.ROUNDS_FAIL),
        (1, None, Sign.ROUNDS_FAIL),
    ],
)
def test_signs_of_life(began, finished, code):
    beat(began, finished)
    assert codes(examine()) == ([code] if code else [])


@pytest.fixture
def waiting(anna, photo) -> PhotoJob:
    """A job that has been due for ten minutes."""
    job = people.enhance(photo, preset="photo-4x", subject=anna)
    ago = timezone.now() - dt.timedelta(minutes=10)
    PhotoJob.objects.filter(pk=job.pk).update(due_at=ago)
    return job


def test_work_that_is_due_and_does_not_move(waiting):
    stuck = found(examine(), Sign.JOBS_STUCK)
    assert stuck.level is Level.ERROR
    assert stuck.facts["waiting"] == 1
    assert stuck.facts["oldest_waiting_seconds"] >= 600


def test_work_that_waits_behind_other_work_moves(waiting, anna, photo):
    other = people.enhance(photo, preset="photo-4x", subject=anna)
    later = timezone.now() + dt.timedelta(minutes=1)
    PhotoJob.objects.filter(pk=other.pk).update(status=JobStatus.PROCESSING, lease_until=later)
    assert codes(examine()) == []


def test_work_of_a_paused_provider_is_not_stuck(waiting):
    ProviderState.objects.create(alias="local", is_paused=True)
    assert codes(examine()) == [Sign.PROVIDER_PAUSED]


def test_work_left_behind(waiting):
    ago = timezone.now() - dt.timedelta(minutes=5)
    PhotoJob.objects.update(status=JobStatus.PROCESSING, lease_until=ago)
    assert codes(examine()) == [Sign.JOBS_ABANDONED]


@pytest.mark.parametrize("reason", HeldReason)
def test_held_work_says_what_it_waits_for(waiting, reason):
    PhotoJob.objects.update(status=JobStatus.HELD, held_reason=reason)
    held = found(examine(), Sign.JOBS_HELD)
    assert held.facts == {"reason": reason, "held": 1}
    assert held.next_step


@pytest.mark.process
def test_a_real_worker_is_seen(waiting):
    Heartbeat.objects.all().delete()
    assert {Sign.WORKER_NEVER_SEEN, Sign.JOBS_STUCK} <= set(codes(examine()))
    with running("hili_run"):
        wait_until(lambda: codes(examine()) == [], what="a worker that is alive and moves jobs")


# Secrets.


def test_a_secret_in_any_row_is_found(vendor, waiting, anna, doctor):
    from django.contrib.contenttypes.models import ContentType
    from django_q.models import Task

    def place() -> list[str]:
        return list(found(examine(), Sign.SECRET_IN_ROWS).facts["places"])

    secret = vendor.secret_key
    Disclosure.objects.create(
        processor_policy="p",
        job=waiting, provider="hili", items=["photo"], operations=["sr"], basis="consent",
        token=1, size=1, vendor_words=f"bad key {secret}!", intended_at=timezone.now(),
    )  # fmt: skip
    assert place() == ["django_hili_disclosure.vendor_words"]
    code, said = doctor()
    assert code == 1
    assert secret not in said
    Disclosure.objects.update(vendor_words="", items=["photo", {"token": secret}])
    assert place() == ["django_hili_disclosure.items"]
    Disclosure.objects.all().delete()
    LogEntry.objects.create(
        user=anna, content_type=ContentType.objects.get_for_model(PhotoJob), object_id="1",
        object_repr="job", action_flag=CHANGE, change_message=f"sent to {vendor.base_url}/api",
    )  # fmt: skip
    assert place() == ["django_admin_log.change_message"]
    LogEntry.objects.all().delete()
    now = timezone.now()
    Task.objects.create(id="1", name="n", func="f", args=(secret,), started=now, stopped=now)
    assert place() == ["the queue's tables"]
    Task.objects.all().delete()
    assert Sign.SECRET_IN_ROWS not in codes(examine())


def test_a_vendors_policy_may_stand_on_the_host_of_its_service(vendor, anna, work, settings):
    hili = {**settings.HILI["PROVIDERS"]["hili"], "POLICY_URL": f"{vendor.base_url}/privacy"}
    settings.HILI = {**settings.HILI, "PROVIDERS": {"hili": hili}}
    people.enhance(photos.jpeg(), operations=["repair"], subject=anna)
    work()
    assert Disclosure.objects.get().processor_policy == f"{vendor.base_url}/privacy"
    assert Sign.SECRET_IN_ROWS not in codes(examine(skip=[Area.PROVIDERS]))
    # The link is public whatever the settings say today; the secret never is.
    hili["POLICY_URL"] = "https://www.hili.example.org/privacy"
    assert Sign.SECRET_IN_ROWS not in codes(examine(skip=[Area.PROVIDERS]))
    Disclosure.objects.update(processor_policy=f"{vendor.base_url}/?key={vendor.secret_key}")
    places = found(examine(skip=[Area.PROVIDERS]), Sign.SECRET_IN_ROWS).facts["places"]
    assert places == ["django_hili_disclosure.processor_policy"]


BREAKS: list[Callable[[Sandbox], object]] = [
    lambda vendor: None,
    lambda vendor: vendor.kill(),
    lambda vendor: vendor.control.fault("html", "nums"),
    lambda vendor: vendor.control.fault("wrong_clock", seconds=600, tell=False),
]


@pytest.mark.parametrize("broken", range(len(BREAKS)))
def test_no_secret_and_no_address_is_printed(vendor, doctor, broken):
    BREAKS[broken](vendor)
    for words in ((), ("--json",)):
        _, said = doctor(*words)
        assert vendor.secret_key not in said
        assert vendor.base_url.removeprefix("http://") not in said
        assert not re.search(r"[0-9a-f]{32}", said)


# Words.


def test_one_part_that_breaks_does_not_hide_the_others(monkeypatch):
    def broken(now: dt.datetime) -> None:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr("django_hili.jobs.doctor.workers._life", broken)
    report = examine()
    assert found(report, Sign.LOOK_FAILED).message.endswith("(RuntimeError).")
    assert found(report, Sign.ENGINE_OK)
    assert "with a secret" not in str(report)


def test_the_quiet_report_tells_only_what_is_wrong(doctor):
    beat(600, 600)
    code, said = doctor("-v", "0")
    assert code == 1
    assert "[worker_silent]" in said
    assert "→ Start `python manage.py qcluster`" in said
    assert "Storage" not in said
    assert "1 error, 0 warnings" in said


def test_every_finding_that_is_not_in_order_says_what_to_do():
    beat(600, 600)
    for finding in examine().findings:
        assert bool(finding.next_step) is (finding.level is not Level.OK), finding


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (600, "10 minutes"),
     (7200, "2 hours"), (200_000, "2 days")],
)  # fmt: skip
def test_lengths_of_time(seconds, words):
    assert in_words(seconds) == words


def test_every_code_has_its_heading():
    page = (ROOT / "docs" / "reference" / "doctor.md").read_text()
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == {sign.value for sign in Sign}
