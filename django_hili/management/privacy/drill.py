"""Plays an incident from its discovery to its end, and sends nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta

from django.utils import timezone

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.models import Message, Severity
from django_hili.models.incident import PARTS
from django_hili.privacy.rights.incidents import (
    announce,
    close_incident,
    describe,
    open_incident,
    tell_authority,
    tell_people,
)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--hours", type=int, default=24, help="how long it has been going on")
    parser.add_argument("--severity", choices=Severity.values, default=Severity.SERIOUS.value)
    parser.add_argument("--provider", default="", help="where it is to have happened")


def _run(options: Options) -> Outcome:
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


VERB = Verb("Rehearse an incident from its discovery to its end; sends nothing.", _run, _arguments)
