"""People who have agreed, so that tests of other things can get on with them."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

import django_hili
from django_hili.jobs.batch import Submitted
from django_hili.models import AgeBand, PhotoJob, Purpose
from django_hili.privacy.consent.consents import consents_of, give_consent
from django_hili.privacy.consent.policies import (
    differs_from_settings,
    ensure_published,
    publish,
    version_in_force,
)


def agree(user: Any) -> Any:
    """Have a grown-up agree to everything the site's policy asks for now; return them."""
    if differs_from_settings(ensure_published(timezone.now())):
        publish()
    version = version_in_force()
    words = {(given.purpose, given.processor) for given in consents_of(user)
             if given.action == "grant" and given.policy_id == version.number}  # fmt: skip
    for notice in version.notices:
        key = (notice["purpose"], notice["processor"])
        if notice["purpose"] != Purpose.OTHER_PEOPLE and key not in words:
            give_consent(
                subject=user,
                version=version.number,
                notice=notice["hash"],
                purpose=notice["purpose"],
                processor=notice["processor"],
                age_band=AgeBand.ADULT,
            )
    return user


def enhance(photo: Any, *, subject: Any, **wishes: Any) -> PhotoJob:
    """Enhance the photo of somebody who has agreed."""
    return django_hili.enhance(photo, subject=agree(subject), people_agreed=True, **wishes)


def enhance_many(photos: Any, *, subject: Any, **wishes: Any) -> Submitted:
    """Enhance many photos of somebody who has agreed."""
    return django_hili.enhance_many(photos, subject=agree(subject), people_agreed=True, **wishes)


class Uploader(Client):
    """A browser whose every upload says that everybody shown has agreed."""

    def post(self, path: str, data: Any = None, *args: Any, **kwargs: Any) -> Any:
        if path.endswith(("/v1/jobs/", "/v1/batches/")) and isinstance(data, dict):
            data = {"people_agreed": "true", **data}
        return super().post(path, data, *args, **kwargs)


def client_of(user: Any) -> Uploader:
    """Return the browser of somebody who has logged in and agreed."""
    client = Uploader()
    client.force_login(agree(user))
    return client
