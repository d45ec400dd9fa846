"""All switches. Importing this module enters them."""

from tests.ablation import consent, disclosure, retention, rights, security
from tests.ablation.switching import SWITCHES

__all__ = ["SWITCHES", "consent", "disclosure", "retention", "rights", "security"]
