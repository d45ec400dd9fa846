"""What happens to a photo. One verb a module; every door calls the same verbs."""
