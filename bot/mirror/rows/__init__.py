"""From GitHub's JSON to the mirror's rows: one pure function for each kind of object.

Webhooks and REST answers show an object in the same shape, so one function serves both.
"""
