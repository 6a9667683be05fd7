"""Repositories made of others: clusters, and nodes that are proxied for.

Turns decisions of `policy` into calls of nodes, and records in its own location log what they did. Imports no gevent:
what does several things at once is handed in as `tasks`.
"""
