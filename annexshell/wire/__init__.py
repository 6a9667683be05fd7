"""Bytes to messages and back: the line protocol as a table and a grammar, and requests and answers of the HTTP API.

Does no I/O, and sees no payload: a message says how many bytes follow it, and the relay moves those.
"""
