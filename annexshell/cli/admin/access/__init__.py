"""Verbs about who may log in: ssh keys, and what each of them may do."""
