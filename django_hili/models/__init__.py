"""The rows. Owns tables, states and questions about them; decides nothing and moves no bytes.

No row points at the host's user with a foreign key: a host may delete users in any way, and
what belongs to a vanished user is found and erased. A `Subject` stands between.
"""

from django_hili.models.batch import PhotoBatch
from django_hili.models.case import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    ExtensionReason,
    RefusalGround,
    ScopeItem,
)
from django_hili.models.closure import Closure
from django_hili.models.consent import Consent, ConsentAction, GivenBy, Purpose
from django_hili.models.disclosure import Disclosure, SendState, VendorCopy
from django_hili.models.erasure import Erasure
from django_hili.models.handover import Handover
from django_hili.models.heartbeat import Heartbeat
from django_hili.models.idempotency_key import IdempotencyKey
from django_hili.models.incident import Incident, Severity
from django_hili.models.job import Basis, HeldReason, JobStatus, PhotoJob
from django_hili.models.media import EraseCause, Media, MediaKind, MediaState
from django_hili.models.message import Message, MessageKind, MessageState
from django_hili.models.policy import PolicyVersion
from django_hili.models.provider_state import Breaker, ProviderState
from django_hili.models.receipt import Chain, Receipt
from django_hili.models.subject import AgeBand, Subject
from django_hili.models.wrapping_key import WrappingKey

__all__ = [
    "AgeBand",
    "Basis",
    "Breaker",
    "Case",
    "CaseKind",
    "CaseOutcome",
    "CaseState",
    "Chain",
    "Closure",
    "Consent",
    "ConsentAction",
    "Disclosure",
    "EraseCause",
    "Erasure",
    "ExtensionReason",
    "GivenBy",
    "Handover",
    "Heartbeat",
    "HeldReason",
    "IdempotencyKey",
    "Incident",
    "JobStatus",
    "Media",
    "MediaKind",
    "MediaState",
    "Message",
    "MessageKind",
    "MessageState",
    "PhotoBatch",
    "PhotoJob",
    "PolicyVersion",
    "ProviderState",
    "Purpose",
    "Receipt",
    "RefusalGround",
    "ScopeItem",
    "SendState",
    "Severity",
    "Subject",
    "VendorCopy",
    "WrappingKey",
]
