"""Verbs that serve: the HTTP server, and the completion of command lines."""
