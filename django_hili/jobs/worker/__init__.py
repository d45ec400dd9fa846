"""The worker: one event loop, a lane for each provider, and what they share.

Knows no door. Every change of a job's row is made by a verb of `moves`.
"""
