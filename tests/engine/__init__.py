"""Tests of the local engine; they know the engine and scikit-image's sample photos, no Django."""
