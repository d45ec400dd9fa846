"""Until when things exist, and their end: deadlines, one path of erasure, sweep, restores."""
