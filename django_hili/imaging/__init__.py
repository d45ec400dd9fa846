"""Files and pixels: the one room that reads and writes image formats, under limits.

It owns inspection of a header, decoding, lossless cleaning, encoding and the mark that a
result carries. It knows no Django, no storage, no job and no provider, so that the web
process, the worker and the engine's own process can all use it.
"""
