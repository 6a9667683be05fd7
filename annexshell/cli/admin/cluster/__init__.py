"""Verbs about clusters and what a gateway proxies for."""
