"""The Repository port (port.py), and what holds for every repository: the guard of access modes, and a fake for tests.

The rooms inside have the real ones: `local` on this disk, `nodes` behind a connection, `gateway` made of others;
`initialization` makes new ones. No client is known here, and no protocol that clients speak.
"""
