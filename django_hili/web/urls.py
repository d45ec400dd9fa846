"""Addresses of the pages."""

from __future__ import annotations

from django.urls import path

from django_hili.web import my_data
from django_hili.web.policy import policy
from django_hili.web.take_copy import take_copy

urlpatterns = [
    path("", my_data.my_data, name="my-data"),
    path("photos/<uuid:job_id>/", my_data.my_photo, name="my-photo"),
    path("photos/<uuid:job_id>/delete/", my_data.delete_photo, name="delete-photo"),
    path("photos/<uuid:job_id>/keep/", my_data.keep, name="keep-photo"),
    path("photos/delete/", my_data.delete_photos, name="delete-photos"),
    path("copy/", my_data.my_copy, name="my-copy"),
    path("copy/link/", my_data.new_handover, name="new-handover"),
    path("copy/link/end/", my_data.end_handover, name="end-handover"),
    path("copy/take/<str:token>/", take_copy, name="take-copy"),
    path("policy/", policy, name="policy"),
    path("policy/<int:number>/", policy, name="policy-version"),
    path("withdraw/", my_data.withdraw, name="withdraw"),
    path("correct/", my_data.correct, name="correct"),
    path("cancel/", my_data.cancel, name="cancel-account"),
]
