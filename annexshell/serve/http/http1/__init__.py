"""HTTP/1.1: heads, bodies and answers on a connection.

Knows nothing of git-annex: what a request asks for is read in `api`.
"""
