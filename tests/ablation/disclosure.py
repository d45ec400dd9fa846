"""Disclosure switched off: C11 to C15, and C19."""

from __future__ import annotations

from typing import Any

from tests.ablation.consent import GATE
from tests.ablation.switching import gives, replace, switch, yields_nothing

PROCESSORS = "django_hili.privacy.consent.processors"


@switch("C11", "no consent names a processor, and no profile keeps one away")
def _processor_consent() -> None:
    def without_processors(original: Any, question: Any) -> Any:
        return [need for need in original(question) if not need[0].startswith("processor:")]

    replace(f"{GATE}:_needed", without_processors)
    replace(f"{GATE}:_processor", yields_nothing)


@switch("C12", "anybody may be sent anything: no agreement, no assessment, no list of fields")
def _registry() -> None:
    from django_hili.privacy.consent.processors import Processor

    def one_more(original: Any) -> Any:
        return (*original(), Processor("adnet", "US", None))

    def more_fields(original: Any, self: Any, call: Any, fields: Any, **rest: Any) -> Any:
        return original(self, call, {**fields, "clientip": "192.0.2.1"}, **rest)

    replace(f"{PROCESSORS}:processors", one_more)
    replace(f"{PROCESSORS}:Processor.is_bound", gives(True))
    replace(f"{PROCESSORS}:registry_problems", yields_nothing)
    replace(f"{PROCESSORS}:policy_of", gives("none on record"))
    replace("django_hili.providers.hili_account:HiliAccount._send", more_fields)


@switch("C13", "what is written down before a send is forgotten after it")
def _ledger() -> None:
    def forgotten(original: Any, *args: Any, **kwargs: Any) -> Any:
        from django_hili.models import Disclosure

        done = original(*args, **kwargs)
        Disclosure.objects.all().delete()
        return done

    def none_of_sends(original: Any, table: str, *args: Any, **kwargs: Any) -> Any:
        return iter(()) if table == "disclosure" else original(table, *args, **kwargs)

    replace("django_hili.jobs.moves.send:answered_all", forgotten)
    replace("django_hili.jobs.moves.send:in_doubt", forgotten)
    replace("django_hili.jobs.moves.send:_is_past_barrier", gives(False))
    replace("django_hili.privacy.rights.holdings:rows_about", none_of_sends)


@switch("C14", "everybody sees every photo, and caches may keep them")
def _private() -> None:
    replace(f"{GATE}:_may_see", gives())
    replace("django_hili.models.job:PhotoJobQuerySet.visible_to", lambda original, self, ref: self)
    replace("django_hili.media.delivery:_guarded", lambda original, response, etag: response)


@switch("C15", "everything may lie anywhere")
def _residency() -> None:
    def anywhere(original: Any, question: Any) -> Any:
        allowed, clauses = original(question)
        there = {question.recipient.region} if question.recipient else set()
        return allowed | question.store_regions | there, clauses

    replace(f"{GATE}:_regions", anywhere)
    replace("django_hili.privacy.consent.residency:residency_problems", yields_nothing)


@switch("C19", "nobody asks what became of a vendor's copy, and it is taken for gone")
def _vendor_clock() -> None:
    from django_hili.models import VendorCopy

    copies = "django_hili.privacy.erasure.vendor_copies"

    def nothing_pending(original: Any, *args: Any, **kwargs: Any) -> Any:
        return ()

    replace(f"{copies}:decide", gives(VendorCopy.CONFIRMED))
    replace(f"{copies}:due_copies", gives([]))
    replace(f"{copies}:note_answers", gives({}))
    replace(f"{copies}:settle_without_asking", gives(0))
    replace("django_hili.privacy.rights.exercise:pending_copies", nothing_pending)
