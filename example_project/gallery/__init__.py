"""The host's own app: people's photos. It knows django-hili only by its public verbs."""
