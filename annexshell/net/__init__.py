"""Connections to other hosts: names, addresses, patience, and a client for HTTP.

Knows nothing of nodes and keys. All of it waits by the `Waiting` that it is given, and gives up in time.
"""
