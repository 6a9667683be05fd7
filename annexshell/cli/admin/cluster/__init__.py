"""Verbs about clusters, and about which remotes a gateway proxies."""
