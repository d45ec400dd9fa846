"""Addresses of the gallery."""

from __future__ import annotations

from django.urls import path

from example_project.gallery import views

app_name = "gallery"
urlpatterns = [
    path("", views.photo_list, name="list"),
    path("photos/new/", views.new_photo, name="new"),
    path("photos/<uuid:pk>/", views.photo_page, name="photo"),
    path("photos/<uuid:pk>/enhance/", views.enhance_again, name="enhance"),
    path("photos/<uuid:pk>/progress/", views.progress, name="progress"),
    path("photos/<uuid:pk>/before/", views.before, name="before"),
    path("photos/<uuid:pk>/after/", views.after, name="after"),
    path("photos/<uuid:pk>/delete/", views.delete_photo, name="delete"),
]
