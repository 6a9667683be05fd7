"""Repositories behind a connection: over ssh, HTTP, or a P2P network; here we are the client.

What a node says is checked before it goes further: it may be of any version, slow, broken, or lying.
"""
