"""The git-annex branch: the journal in front of it, commits, and the logs in it.

Knows no objects: it writes down what it is told about them. Everything that it reads may have been pushed by somebody
who means harm.
"""
