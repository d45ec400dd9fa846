"""Pauses a provider for everybody, and resumes it. What is in its hands already is finished."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import router, transaction
from django.utils import timezone

from django_hili import queue
from django_hili.jobs.moves.breakers import state_of
from django_hili.models import HeldReason, JobStatus, PhotoJob, ProviderState
from django_hili.providers.registry import capabilities_of


@dataclass(frozen=True, slots=True)
class Paused:
    """What pausing or resuming a provider moved."""

    jobs: int
    """Jobs that wait now, or that go on."""


def pause_provider(*, provider: str) -> Paused:
    """Send nothing more to a provider: waiting jobs are held, new ones too. Safe to repeat.

    Costs nothing and loses nothing, but for photos whose deadline passes meanwhile.
    Raises `InvalidOptionsError` for an unknown alias.
    """
    capabilities_of(provider)
    state_of(provider)
    with transaction.atomic(using=router.db_for_write(PhotoJob)):
        ProviderState.objects.filter(alias=provider, is_paused=False).update(is_paused=True)
        waiting = PhotoJob.objects.filter(provider=provider, status=JobStatus.QUEUED)
        held = waiting.update(status=JobStatus.HELD, held_reason=HeldReason.PROVIDER_PAUSED)
    return Paused(held)


def resume_provider(*, provider: str) -> Paused:
    """Let a paused provider's jobs go on. Safe to repeat."""
    capabilities_of(provider)
    database = router.db_for_write(PhotoJob)
    with transaction.atomic(using=database):
        ProviderState.objects.filter(alias=provider, is_paused=True).update(is_paused=False)
        held = PhotoJob.objects.filter(
            provider=provider, status=JobStatus.HELD, held_reason=HeldReason.PROVIDER_PAUSED
        )
        moved = held.update(status=JobStatus.QUEUED, held_reason="", due_at=timezone.now())
        if moved:
            queue.wake(database)
    return Paused(moved)


def is_paused(provider: str) -> bool:
    """Whether staff have paused the provider."""
    return ProviderState.objects.filter(alias=provider, is_paused=True).exists()
