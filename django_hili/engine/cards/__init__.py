"""Owns the plug for stronger models: a card says what a model file expects and answers; knows no
Django and no provider.

Importing this package loads nothing. Cards and model files are read by `card`, `graph` and `folder`
with the standard library alone, so that a web process can say what is offered. All other modules
need numpy, and `model` also onnxruntime.
"""
