"""Names the erasures that wait for a store that is gone, and with `--yes` gives them up."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.erasure import stores


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("store", nargs="?", help="the name it was registered under")
    parser.add_argument("--yes", action="store_true", help="do it; there is no way back")


def _run(options: Options) -> Outcome:
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


VERB = Verb("Let go of erasures that wait for a store of the site that is gone.", _run, _arguments)
