"""Serving repositories in P2P networks: who may come in, a process for each client, and the programs of the networks.

Knows the lines before a session, sockets and processes; what a session does is its caller's. Imports no gevent, so that
a process can be forked for each client.
"""
