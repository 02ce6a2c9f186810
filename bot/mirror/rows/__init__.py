"""GitHub's objects to the mirror's rows: pure functions of what GitHub sent.

Webhooks and REST word an object alike, so one function serves both.
"""
