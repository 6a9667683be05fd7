"""Clients of the line protocol: a session on a stream, over standard input and output.

Translates lines into calls of the Repository port. It can't tell a local repository from a cluster, and must not.
"""
