"""The repositories that a server has open: found, shared between requests, locked for clients, and tended.

Knows no HTTP: a handler is lent a `RequestRepository` and calls a Repository by it.
"""
