"""People's door: pages on which a person uses their rights. Calls verbs, decides nothing.

Plain forms that work without JavaScript; a site may replace any template by one of its own.
"""
