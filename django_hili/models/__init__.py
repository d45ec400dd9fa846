"""The rows. Owns tables, states and questions about them; decides nothing and moves no bytes.

No row points at the host's user with a foreign key: a host may delete users in any way, and
what belongs to a vanished user is found and erased. A `Subject` stands between.
"""

from django_hili.models.batch import PhotoBatch
from django_hili.models.disclosure import Disclosure, SendState
from django_hili.models.job import Basis, HeldReason, JobStatus, PhotoJob
from django_hili.models.media import EraseCause, Media, MediaKind, MediaState
from django_hili.models.provider_state import Breaker, ProviderState
from django_hili.models.subject import Subject

__all__ = [
    "Basis",
    "Breaker",
    "Disclosure",
    "EraseCause",
    "HeldReason",
    "JobStatus",
    "Media",
    "MediaKind",
    "MediaState",
    "PhotoBatch",
    "PhotoJob",
    "ProviderState",
    "SendState",
    "Subject",
]
