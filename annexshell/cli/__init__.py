"""The commands of git-annex-shell, a module each, imported when called. The environment is read in here, and nowhere
else.

A session over ssh pays for each import of its command, so nothing is imported that the command may not need.
"""
