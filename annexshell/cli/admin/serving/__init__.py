"""Verbs that serve: the HTTP server, and scripts for completion in shells."""
