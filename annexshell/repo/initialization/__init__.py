"""Turns a git repository into one that git-annex can use: uuid, version, hooks, and a probe of the file system.

Used by `annexshell init` and on a client's first visit. What serves objects does not need it.
"""
