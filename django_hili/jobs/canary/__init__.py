"""Plays the life of somebody who does not exist, and looks everywhere for what they brought.

It stands among the jobs because it lives like everybody: it submits a photo and has a worker
enhance it. What is looked through, and how, is `privacy.audit.residue`'s.
"""
