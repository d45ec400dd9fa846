"""Writes the clauses with their code and their proofs, or the map of all data."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path

from django_hili.management.privacy.verb import Options, Outcome, Verb
from django_hili.privacy.audit import datamap
from django_hili.privacy.audit.matrix import PROOFS, as_markdown, read_matrix


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--proofs", type=Path, default=PROOFS, help="results of another test run")
    parser.add_argument("--data-map", action="store_true", help="write the map of all data instead")


def _run(options: Options) -> Outcome:
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


VERB = Verb(
    "Write every clause with the code that keeps it and the tests that prove it.", _run, _arguments
)
