"""Verbs about who may come in: keys of ssh and what each of them may do."""
