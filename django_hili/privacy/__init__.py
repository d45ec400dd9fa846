"""What may happen to a photo, until when, and its end. Decides; moves no bytes but to the end."""
