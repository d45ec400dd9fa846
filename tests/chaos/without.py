"""Takes one of a worker's guards out, to show that the chaos suite would notice.

python -m tests.chaos.without barrier|token|ledger hili_run --until-idle
"""

from __future__ import annotations

import contextlib
import sys

import django
from django.core.management import call_command

GUARDS = ("token", "barrier", "ledger")


def take_out(guard: str) -> None:
    """Take a guard out of this process; the empty name takes none."""
    from django_hili.jobs.moves import send
    from django_hili.jobs.worker import remote
    from django_hili.models import Disclosure, SendState
    from django_hili.providers import http

    def pass_without_token(*, entries, now):  # the ledger is written, no job's owner is asked
        rows = Disclosure.objects.filter(pk__in=[send.pk for _, send in entries])
        rows.update(state=SendState.PASSED, passed_at=now)
        return [True] * len(entries)

    def recover_blindly(*, job, is_free_again, now):  # no ledger is read: send again on a guess
        Disclosure.objects.filter(job_id=job.pk, state=SendState.PASSED).update(
            state=SendState.REFUSED
        )
        recover(job=job, is_free_again=is_free_again, now=now)

    async def last_bytes_first(self):  # the whole body leaves, then the barrier is asked
        async with contextlib.aclosing(body(self)) as pieces:
            if self.passage is None:
                yield await anext(pieces)
                return
        async with contextlib.aclosing(self.form.until_last()) as pieces:
            async for piece in pieces:
                yield piece
        yield self.form.tail
        await self.slot.drained(self.timeouts.write)
        self.deadline.reschedule(None)
        await http._of_caller(self.passage.go_through())
        self._allow(self.timeouts.call)
        self.passage.is_open = True

    recover, body = send.recover, http._Exchange._body
    if guard == "token":
        send.pass_barrier_all = pass_without_token
    elif guard == "barrier":
        http._Exchange._body = last_bytes_first
    elif guard == "ledger":
        send.recover = recover_blindly
    assert remote.send is send


def main(guard: str, *words: str) -> None:
    """Take the guard out and run the command."""
    django.setup()
    take_out(guard)
    call_command(*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
