"""What may happen to a photo, until when, and its end. Decides; moves no bytes but to the end.

`consent/` whether, `erasure/` until when and how it ends, `rights/` what people may ask for,
`evidence/` receipts of all that, `audit/` whether it is so now.
"""
