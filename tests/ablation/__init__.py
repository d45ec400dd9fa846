"""Each of the 35 controls switched off by itself, to see that tests of its clauses notice.

Owns the switches: which code goes out with which control. `python -m tests.ablation` runs them.
"""
