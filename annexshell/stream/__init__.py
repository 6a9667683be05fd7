"""The byte port: a connection as lines and payload, and who waits for it.

Knows file descriptors and no messages. How to wait is handed in (`Waiter`), so that this room needs no gevent.
"""
