"""Runs a worker with one of its guards taken out, to show that the chaos suite would notice.

python -m tests.chaos.without barrier|token hili_run --until-idle
"""

from __future__ import annotations

import sys

import django
from django.core.management import call_command


def main(guard: str, *words: str) -> None:
    """Take the guard out and run the command."""
    django.setup()
    from django_hili.jobs import remote, send
    from django_hili.models import Disclosure, SendState

    def pass_without_token(*, job, send, now):  # the ledger is written, the job's owner not asked
        Disclosure.objects.filter(pk=send.pk).update(state=SendState.PASSED, passed_at=now)

    def recover_blindly(*, job, is_free_again, now):  # no ledger is read: send again on a guess
        Disclosure.objects.filter(job_id=job.pk, state=SendState.PASSED).update(
            state=SendState.REFUSED
        )
        recover(job=job, is_free_again=is_free_again, now=now)

    recover = send.recover
    if guard == "token":
        send.pass_barrier = pass_without_token
    elif guard == "barrier":
        send.recover = recover_blindly
    assert remote.send is send
    call_command(*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
