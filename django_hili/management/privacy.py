"""What `hili_privacy` can be asked for: each verb reads its options, calls one function, reports.

Owns words and shapes of the answers; the functions own everything else.
"""

from __future__ import annotations

import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from django_hili.jobs.canary.report import STORED
from django_hili.jobs.canary.site import CannotBeTriedError
from django_hili.jobs.canary.trial import run_canary
from django_hili.jobs.worker.upkeep import look, upkeep
from django_hili.models import AgeBand, Media, Message, PhotoJob, Severity, Subject
from django_hili.models.incident import PARTS
from django_hili.privacy.audit import datamap
from django_hili.privacy.audit.check import audit
from django_hili.privacy.audit.matrix import PROOFS, as_markdown, read_matrix
from django_hili.privacy.consent.policies import draft, next_number, publish
from django_hili.privacy.erasure import replay, stores
from django_hili.privacy.erasure.winddown import wind_down
from django_hili.privacy.evidence.anchors import anchor
from django_hili.privacy.rights.access import access_report, record_review
from django_hili.privacy.rights.exercise import cancel_account, correct, delete_photos
from django_hili.privacy.rights.export import export
from django_hili.privacy.rights.holdings import held_about
from django_hili.privacy.rights.incidents import (
    announce,
    close_incident,
    describe,
    open_incident,
    tell_authority,
    tell_people,
)
from django_hili.profiles import ChangeKind

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb has to say."""

    lines: Iterable[str]
    """For people."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For programs: with --json, one object."""
    is_good: bool = True
    """False makes the exit code 1."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing to ask for."""

    help: str
    run: Callable[[Options], Outcome]
    add_arguments: Callable[[ArgumentParser], None] = lambda _: None


def _dry_run_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would go; touch nothing")


def _would(facts: Mapping[str, Any]) -> Outcome:
    return Outcome([f"Would be {name.replace('_', ' ')}: {n}" for name, n in facts.items()], facts)


def _sweep(options: Options) -> Outcome:
    if options["dry_run"]:
        return _would(asdict(look()))
    report = upkeep()
    facts = asdict(report)
    return Outcome([f"{number} {name.replace('_', ' ')}" for name, number in facts.items()], facts)


def _audit_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--canary",
        action="store_true",
        help="afterwards have somebody who does not exist live through this site, and look "
        "everywhere for what they brought; leaves receipts",
    )


def _audit(options: Options) -> Outcome:
    report = audit()
    facts = {
        "at": report.at.isoformat(timespec="seconds"),
        "is_clean": report.is_clean,
        "invariants": [
            {"id": answer.invariant.id, "holds": not answer.count, "found": answer.count,
             "sentence": answer.invariant.sentence}
            for answer in report.answers
        ],
    }  # fmt: skip
    lines = [
        f"{'ok  ' if not answer.count else 'FAIL'}  {answer.invariant.id}  "
        f"{answer.invariant.sentence}"
        + (f" Found {answer.count}. {answer.invariant.remedy}" if answer.count else "")
        for answer in report.answers
    ]
    outcome = Outcome(lines, facts, is_good=report.is_clean)
    return _with_canary(outcome) if options["canary"] else outcome


def _with_canary(audited: Outcome) -> Outcome:
    try:
        report = run_canary()
    except CannotBeTriedError as error:
        raise CommandError(str(error)) from None
    lines = [
        f"{'ok  ' if place.is_clean else 'FAIL'}  {place.name}: "
        f"{'seen' if place.is_seen else 'NOT SEEN'}, {place.bytes_read} bytes read, "
        f"found {place.found_before} while the photo was there and {place.found_after} afterwards"
        for place in report.places
    ]
    lines += [
        f"      {name}: cannot be read and was not looked at" for name in report.not_looked_at
    ]
    lines.append(
        f"{'ok  ' if report.is_proved else 'FAIL'}  "
        f"{report.receipts} of {STORED} erased photos have their one receipt"
    )
    by = {"worker": "by a worker of the site", "here": "in this process"}.get(report.enhanced_by)
    lines.append(f"ok    enhanced {by}" if by else f"FAIL  not enhanced: {report.job_code}")
    facts = {**asdict(report), "is_clean": report.is_clean}
    return Outcome(
        [*audited.lines, *lines],
        {**audited.facts, "canary": facts},
        is_good=audited.is_good and report.is_clean,
    )


def _erase_arguments(parser: ArgumentParser) -> None:
    _person_arguments(parser)
    parser.add_argument(
        "--job", action="append", type=uuid.UUID, help="only the photos of this job"
    )
    parser.add_argument(
        "--account", action="store_true", help="everything about the person, and who they are"
    )
    _dry_run_argument(parser)


def _erase(options: Options) -> Outcome:
    ref = _person(options)
    if options["dry_run"]:
        held = {name: len(rows) for name, rows in held_about(ref).items()}
        return Outcome([f"Would erase: {number} {name}" for name, number in held.items()], held)
    if options["account"]:
        deletion = cancel_account(subject_ref=ref)
    else:
        deletion = delete_photos(subject_ref=ref, job_ids=options["job"])
    pending = [
        {"provider": copy.provider, "until": copy.until.isoformat() if copy.until else None}
        for copy in deletion.pending
    ]
    lines = [f"{deletion.deleted.jobs} jobs erased with their photos."]
    lines += [
        f"{copy['provider']} has a copy until {copy['until'] or 'it says nothing'}."
        for copy in pending
    ]
    return Outcome(lines, {"jobs": deletion.deleted.jobs, "pending": pending})


def _export_arguments(parser: ArgumentParser) -> None:
    _person_arguments(parser)
    parser.add_argument("--to", type=Path, required=True, help="the archive to write")


def _export(options: Options) -> Outcome:
    path: Path = options["to"]
    ref = _person(options)
    try:
        opened = path.open("xb")
    except FileExistsError:
        raise CommandError(f"{path} is there already; it is not overwritten.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    size = 0
    try:
        with opened:
            path.chmod(0o600)
            for piece in export(subject_ref=ref):
                size += opened.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)  # half an archive is no copy, and somebody's photos
        raise
    return Outcome([f"{path}: {size} bytes. Hand it over and delete it."], {"bytes": size})


def _publish_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        choices=[kind.value for kind in ChangeKind],
        help="what changes beside what the values show; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the text; publish nothing")


def _publish(options: Options) -> Outcome:
    if options["dry_run"]:
        version = draft(number=next_number(), now=timezone.now())
        lines = [f"Would be version {version.number}.", "", version.texts["en"]]
        return Outcome(lines, {"number": version.number})
    version = publish(change_kinds=options["change"])
    facts = {
        "number": version.number, "change_kinds": list(version.change_kinds),
        "reduces_rights": version.reduces_rights,
    }  # fmt: skip
    lines = [f"Version {version.number} is published."]
    if version.change_kinds:
        lines.append(f"People agree anew because of: {', '.join(version.change_kinds)}.")
    return Outcome(lines, facts)


def _anchor_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, help="the file to append to")


def _anchor(options: Options) -> Outcome:
    line = anchor(options["to"])
    return Outcome([line or "There is no receipt yet."], {"anchor": line})


def _replay(options: Options) -> Outcome:
    if options["dry_run"]:
        return _would(asdict(replay.look()))
    report = replay.replay()
    facts = asdict(report)
    lines = [f"{number} {name.replace('_', ' ')}" for name, number in facts.items()]
    return Outcome(lines, facts, is_good=not report.remaining)


def _give_up_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("store", nargs="?", help="the name it was registered under")
    parser.add_argument("--yes", action="store_true", help="do it; there is no way back")


def _give_up(options: Options) -> Outcome:
    name, left = options["store"], stores.waiting_for_nobody()
    if name in {store.name for store in stores.registered()}:
        raise CommandError("This store is registered: it is asked until it holds nothing.")
    if name and options["yes"]:
        given_up = stores.give_up(name)
        return Outcome([f"{given_up} erasures given up, each with a receipt."],
                       {"given_up": given_up})  # fmt: skip
    lines = [
        f"{store}, which is not registered, still has {number} erasures to do."
        for store, number in left.items()
        if name in {None, store}
    ]
    if lines:
        lines.append("Register it again; or, if it is gone with all it held, name it with --yes.")
    return Outcome(lines or ["No erasure waits for a store that is gone."], {"waiting": left})


def _wind_down_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it; there is no way back")


def _wind_down(options: Options) -> Outcome:
    if not options["yes"]:
        would = {
            "people": Subject.objects.exclude(user_key=None).count(),
            "photos": Media.objects.count(),
            "jobs": PhotoJob.objects.count(),
        }
        lines = [f"Would erase: {number} {name}" for name, number in would.items()]
        return Outcome([*lines, "Nothing was done. Say --yes to end the service for good."], would)
    report = wind_down()
    facts = asdict(report)
    lines = [f"{name.replace('_', ' ')}: {number}" for name, number in facts.items()]
    if not report.is_empty:
        lines.append("Not everything is gone yet. Run it again.")
    return Outcome(lines, facts, is_good=report.is_empty)


def _drill_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--hours", type=int, default=24, help="how long it has been going on")
    parser.add_argument("--severity", choices=Severity.values, default=Severity.SERIOUS.value)
    parser.add_argument("--provider", default="", help="where it is to have happened")


def _drill(options: Options) -> Outcome:
    now = timezone.now()
    incident = open_incident(
        severity=Severity(options["severity"]),
        began_at=now - timedelta(hours=options["hours"]),
        ended_at=now,
        provider=options["provider"],
        is_drill=True,
    )
    describe(incident_id=incident.pk, **dict.fromkeys(PARTS, "This is a drill."))
    affected = tell_people(incident_id=incident.pk)
    announce(incident_id=incident.pk)
    tell_authority(incident_id=incident.pk)
    close_incident(incident_id=incident.pk)
    facts = {
        "affected": len(affected.subject_refs),
        "reached_one_by_one": len(affected.user_keys),
        "untraceable_photos": affected.untraceable,
        "people_due_at": incident.people_due_at,
        "authority_due_at": incident.authority_due_at,
        "sent": Message.objects.filter(incident=incident).count(),
    }
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in facts.items()]
    return Outcome([*lines, "A drill: nothing was sent, a receipt was left."], facts)


def _access_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--reviewed-by", help="note that this user has looked at the list and put it right"
    )


def _access(options: Options) -> Outcome:
    if options["reviewed_by"]:
        users = get_user_model()._base_manager
        staff = users.filter(pk=options["reviewed_by"]).first()
        if staff is None:
            raise CommandError("There is no user with that key.")
        record_review(staff=staff)
    report = access_report()
    facts = asdict(report)
    lines = [
        f"{viewer.name} ({viewer.user_key}){', superuser' if viewer.is_superuser else ''}"
        for viewer in report.viewers
    ]
    lines.append(f"Last looked at: {report.reviewed_at or 'never'}.")
    return Outcome(lines, facts, is_good=not report.is_review_due)


def _age_arguments(parser: ArgumentParser) -> None:
    _person_arguments(parser)
    bands = [band.value for band in AgeBand if band != AgeBand.UNKNOWN]
    parser.add_argument("--band", required=True, choices=bands, help="how old, roughly")


def _age(options: Options) -> Outcome:
    ref = _person(options)
    user_key = Subject.objects.filter(pk=ref).values_list("user_key", flat=True).first()
    user = get_user_model()._base_manager.filter(pk=user_key).first() if user_key else None
    if user is None:
        raise CommandError("That person has no account any more.")
    ended = correct(subject=user, age_band=AgeBand(options["band"]), is_by_staff=True)
    lines = [f"Recorded: {options['band']}.", f"{ended.cancelled} jobs cancelled.",
             f"{ended.photos} photos can no longer be read."]  # fmt: skip
    return Outcome(lines, asdict(ended))


def _report_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--proofs", type=Path, default=PROOFS, help="results of another test run")
    parser.add_argument("--data-map", action="store_true", help="write the map of all data instead")


def _report(options: Options) -> Outcome:
    if options["data_map"]:
        return Outcome(
            datamap.as_markdown(),
            {"tables": {name: asdict(table) for name, table in datamap.TABLES.items()},
             "places": [asdict(place) for place in datamap.PLACES]},
        )  # fmt: skip
    matrix = read_matrix(proofs=options["proofs"])
    facts = {
        "run": dict(matrix.run),
        "proved": len(matrix.to_prove) - len(matrix.unproved),
        "of": len(matrix.to_prove),
        "clauses": [
            {"id": line.clause.id, "controls": line.clause.controls, "scope": line.clause.scope,
             "code": line.code, "tests": [asdict(proof) for proof in line.proofs],
             "is_proved": line.is_proved}
            for line in matrix.lines
        ],
    }  # fmt: skip
    return Outcome(as_markdown(matrix), facts, is_good=not matrix.unproved)


def _person_arguments(parser: ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="the person by the primary key of their account")
    who.add_argument("--subject", type=uuid.UUID, help="the person by their reference")


def _person(options: Options) -> uuid.UUID:
    """Return the person's reference. Raises `CommandError` where nobody is known by it."""
    if options["subject"]:
        rows = Subject.objects.filter(pk=options["subject"])
    else:
        rows = Subject.objects.filter(user_key=options["user"])
    ref = rows.values_list("ref", flat=True).first()
    if ref is None:
        raise CommandError("Nobody is known here by that key: nothing is stored about them.")
    return ref


VERBS: Final[Mapping[str, Verb]] = {
    "sweep": Verb("Enforce every deadline now, as a worker does once a minute.", _sweep,
                  _dry_run_argument),
    "audit": Verb("Hold every invariant against what is there; write nothing but with --canary.",
                  _audit, _audit_arguments),
    "erase": Verb("Erase a person's photos, or everything about them.", _erase, _erase_arguments),
    "age": Verb("Record what staff know of a person's age; also a higher one than they may say.",
                _age, _age_arguments),
    "export": Verb("Write a person's photos and data into one archive.", _export,
                   _export_arguments),
    "publish": Verb("Publish the settings of now as the next version of the policy.", _publish,
                    _publish_arguments),
    "anchor": Verb("Write down, outside the database, how far the receipts have come.", _anchor,
                   _anchor_arguments),
    "replay": Verb("After a restore: erase again everything that was erased since the copy.",
                   _replay, _dry_run_argument),
    "give-up": Verb("Let go of erasures that wait for a store of the site that is gone.",
                    _give_up, _give_up_arguments),
    "wind-down": Verb("End the service: tell people, erase everything, leave receipts.",
                      _wind_down, _wind_down_arguments),
    "drill": Verb("Rehearse an incident from its discovery to its end; sends nothing.", _drill,
                  _drill_arguments),
    "access": Verb("Say who may see photos, and when somebody last looked at that list.", _access,
                   _access_arguments),
    "report": Verb("Write every clause with the code that keeps it and the tests that prove it.",
                   _report, _report_arguments),
}  # fmt: skip
