"""The policy as a page, every version of it, for anybody. Decides nothing.

Clauses C05: HILI-8b, HILI-FR-1, PIXEL-0.2, MIAO-10.2, MIAO-10.3, MIAO-12.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from django_hili.models import PolicyVersion
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.wording import best_language
from django_hili.web.pages import open_to_all


@require_safe
def _policy(request: HttpRequest, number: int | None = None) -> HttpResponse:
    """Show the version in force, or one by its number, in the reader's language."""
    current = version_in_force()
    version = current
    if number not in {None, current.number}:
        found = PolicyVersion.objects.filter(number=number).first()
        if found is None:
            raise Http404
        version = found
    language = best_language(request.GET.get("language") or get_language())
    numbers = PolicyVersion.objects.values_list("number", flat=True)
    context = {
        "version": version,
        "current": current.number,
        "numbers": [other for other in numbers if other != version.number],
        "language": language,
        "text": as_html(version.texts[language]),
    }
    return render(request, "django_hili/privacy/policy.html", context)


policy = open_to_all(_policy)


def as_html(text: str) -> SafeString:
    """Turn the policy's headings, paragraphs and lists into HTML; everything is escaped."""
    return format_html_join("", "{}", ((block,) for block in _blocks(text)))


def _blocks(text: str) -> Iterator[SafeString]:
    for block in text.strip().split("\n\n"):
        if block.startswith("# "):
            yield format_html("<h1>{}</h1>", block[2:])
        elif block.startswith("## "):
            yield format_html("<h2>{}</h2>", block[3:])
        elif block.startswith("- "):
            lines = ((line.removeprefix("- "),) for line in block.splitlines())
            yield format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", lines))
        else:
            yield format_html("<p>{}</p>", block)
