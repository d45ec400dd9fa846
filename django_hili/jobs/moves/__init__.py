"""Every change of a job's row and of the ledger of sends, each one conditional update.

Knows no event loop, no provider's connection and no door.
"""
