"""The repository on this disk: joins objects (`store`), the git-annex branch (`annexlog`) and git's configuration.

Knows no other repository but the one of annex.trashbin, and nobody who asks: sessions, requests and gateways call it
alike.
"""
