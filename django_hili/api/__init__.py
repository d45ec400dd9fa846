"""The REST door: translates between HTTP and the verbs of `jobs`. Decides nothing."""
