"""Unlocked files: copies of objects in the work tree, and git-annex's database that tells which they are."""
