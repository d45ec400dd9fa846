"""Addresses of the example site. Photos have none of their own: views hand them out."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.templatetags.static import static
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from django.views.i18n import set_language

urlpatterns = [
    path("", include("example_project.gallery.urls")),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    # No token: a page that somebody only reads, such as the policy, shall set no cookie for it.
    path("language/", csrf_exempt(login_not_required(set_language)), name="set_language"),
    path(
        "favicon.ico",
        login_not_required(RedirectView.as_view(url=static("gallery/icon.svg"))),
    ),
    path("admin/", admin.site.urls),
    path("hili/", include("django_hili.urls")),
]
