"""The HTTP API of git-annex (upstream: P2P/Http, Command/P2PHttp.hs, doc/design/p2p_protocol_over_http).

A request becomes a call of the Repository port; nothing speaks the line protocol to itself. Each connection has a
greenlet; what waits for disks or computes goes to threads.
"""
