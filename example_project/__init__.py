"""A whole small photo site that uses django-hili as any site would: from outside."""
