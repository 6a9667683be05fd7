"""Files done safely: locks that exclude git-annex's, flushes, modes, replacement, and starting programs.

Knows nothing of annexes: it is told paths, and works for any file.
"""
