"""Owns how the engine's nets are made and judged; knows the engine, never Django, and is no part of
the wheel.

Nothing here is imported at run time. PyTorch is needed to train, numpy and Pillow to generate
pictures, scikit-image only to judge (its sample photos are never trained on).
"""
