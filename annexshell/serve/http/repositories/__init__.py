"""The repositories that a server has open: found, shared between requests, locked for clients, and tended.

Knows no HTTP: a handler asks for a `Backend` and calls a Repository by it.
"""
