"""What happens to a photo. One verb a module; every door calls the same verbs.

`worker/` carries out what the verbs have asked for, `moves/` is every change of a row. Imports
point down: verbs, worker, moves.
"""
