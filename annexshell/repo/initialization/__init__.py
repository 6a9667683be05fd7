"""Makes a git repository a git-annex repository: uuid, version, hooks, and a probe of the file system.

For `annexshell init`, and for the first visit of a client. Nothing that serves objects may need it.
"""
