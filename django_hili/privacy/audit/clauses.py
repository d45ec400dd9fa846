"""What four privacy policies promise, sentence by sentence, and which control keeps each promise.

Owns the table (`clauses.tsv`: one clause a line, with the rule this app follows) and the names
of the controls. Reads a file of this folder and nothing else.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Final


class Scope(StrEnum):
    """What code can do about a clause."""

    ENFORCED = "E"
    """The code keeps it; a test fails where it does not."""
    EVIDENCED = "V"
    """The code computes, reminds and records; a person acts."""
    DECLINED = "X"
    """The policy allows it and the app never does it; a test proves the absence."""
    FACT = "F"
    """Outside our reach; written down and told."""
    ORGANISATION = "O"
    """Listed; nothing for code."""


PROVED: Final = frozenset({Scope.ENFORCED, Scope.EVIDENCED, Scope.DECLINED})
"""A clause of these scopes needs a passing test."""

CONTROLS: Final[Mapping[str, str]] = {
    "C01": "Consent first",
    "C02": "Separate consent",
    "C03": "Notice where data is collected",
    "C04": "Purpose binding",
    "C05": "Policy archive",
    "C06": "Agreement anew after a material change",
    "C07": "Other people in the photo",
    "C08": "Minimum collection",
    "C09": "Data map",
    "C10": "Minors",
    "C11": "Consent for each processor",
    "C12": "Registry of processors",
    "C13": "Ledger of disclosures",
    "C14": "Private by default",
    "C15": "Residency",
    "C16": "The source ends with the job",
    "C17": "A deadline on every object",
    "C18": "No biometrics",
    "C19": "Clock of the vendor's copy",
    "C20": "No shadow copies",
    "C21": "Bounded backups",
    "C22": "Complete, verified erasure",
    "C23": "Wind-down",
    "C24": "Encryption in transit",
    "C25": "Encryption at rest",
    "C26": "Least privilege",
    "C27": "Secrets",
    "C28": "Tamper-evident evidence",
    "C29": "Access, copy, correction",
    "C30": "Deletion on request",
    "C31": "Withdrawal",
    "C32": "Cancelling an account",
    "C33": "Clock and fairness of requests",
    "C34": "Incidents",
    "C35": "Audit and evidence",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise."""

    id: str
    """Policy and section: MIAO-8.2b."""
    section: str
    """Where it stands in the policy."""
    controls: tuple[str, ...]
    scope: Scope
    parameter: str
    """The value it fixes; empty where it fixes none."""
    rule: str
    """What this app does about it."""

    @property
    def policy(self) -> str:
        """The policy it is from: HILI, AIART, PIXEL or MIAO."""
        return self.id.partition("-")[0]

    @property
    def needs_proof(self) -> bool:
        """Whether a test has to pass for it."""
        return self.scope in PROVED


@lru_cache(maxsize=1)
def all_clauses() -> Mapping[str, Clause]:
    """Return every clause by its id, in the order of the policies."""
    table = files(__package__).joinpath("clauses.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines(), delimiter="\t")
    return {
        row["id"]: Clause(
            id=row["id"],
            section=row["section"],
            controls=tuple(row["controls"].split()),
            scope=Scope(row["scope"]),
            parameter=row["parameter"],
            rule=row["rule"],
        )
        for row in rows
    }
