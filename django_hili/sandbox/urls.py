"""Own the sandbox's addresses, the vendor's own paths among them; must not know what they do."""

from __future__ import annotations

from django.urls import path

from django_hili.sandbox import control, files, v1, v2

app_name = "hili_sandbox"

urlpatterns = [
    path("", control.home, name="home"),
    path("api/third/uploads", v2.uploads, name="uploads"),
    path("api/third/status", v2.status, name="status"),
    path("api/third/download", v2.download, name="download"),
    path("api/third/company/nums", v2.nums, name="nums"),
    path("api/third/photo/upload", v1.upload, name="v1-upload"),
    path("api/third/photo/status", v1.status, name="v1-status"),
    path("api/third/photo/download", v1.download, name="v1-download"),
    path("api/third/download/<str:name>", files.result, name="result"),
    path("static/img/<str:name>", files.other, name="file"),
    path("control/", control.page, name="control"),
    path("control/page.css", control.style, name="control-style"),
    path("control/page.js", control.script, name="control-script"),
    path("control/state", control.everything, name="control-state"),
    path("control/settings", control.settings_view, name="control-settings"),
    path("control/faults", control.faults_view, name="control-faults"),
    path("control/faults/<int:rule_id>", control.fault_view, name="control-fault"),
    path("control/partners", control.partners_view, name="control-partners"),
    path("control/packages", control.packages_view, name="control-packages"),
    path("control/pictures", control.pictures_view, name="control-pictures"),
    path("control/ledger", control.ledger_view, name="control-ledger"),
    path("control/counts", control.counts_view, name="control-counts"),
    path("control/sweep", control.sweep_view, name="control-sweep"),
    path("control/reset", control.reset_view, name="control-reset"),
]
