"""What `hili_privacy` can be asked for: each verb reads its options, calls one function, reports.

One module a verb. They own the words and shapes of the answers; the functions own everything else.
"""
