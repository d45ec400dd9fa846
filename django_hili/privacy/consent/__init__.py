"""Whether something may happen to a photo: the gate, its facts, and what people agree to."""
