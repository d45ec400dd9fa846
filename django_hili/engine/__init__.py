"""Owns the local engine: arrays in, arrays out; knows no Django, no file, no provider and no
network.

Importing this package loads nothing. The door is `django_hili.engine.pipeline.enhance`; what can be
asked for is in `django_hili.engine.catalogue`, and what is refused in
`django_hili.engine.refusals`: both load without numpy.
"""
