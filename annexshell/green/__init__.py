"""Greenlets: the only room that imports gevent.

Code that waits for several nodes at once is handed these tools by its caller. Nothing is monkey-patched: sockets and
pipes wait through `GeventWaiter`; disks, locks and long computations go to threads.
"""
