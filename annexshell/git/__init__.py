"""git itself: running it, its configuration, paths, refs and attributes.

Knows nothing of keys and of git-annex's branch: that is for `annexlog` and `store`.
"""
