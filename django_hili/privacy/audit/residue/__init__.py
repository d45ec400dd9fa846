"""Looks for words in every place where this app may have put something, and shows that it sees.

Reads bytes past everything that knows what they mean. Decides nothing about photos and people.
"""
