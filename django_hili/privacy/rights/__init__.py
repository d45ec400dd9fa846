"""What people may ask for, by when they are answered, and who has looked at their photos."""
