"""Own a Hili-compatible service to develop and test against; must not know the app that calls it.

A Django app of its own, label ``hili_sandbox``. It speaks the vendor's API in both versions,
charges credits, processes photos, forgets them after an hour, and misbehaves on request. It may
use the local engine, and nothing else of this project.
"""
