"""Greenlets: the only room that imports gevent.

Whoever waits for several nodes at once is handed what is in here. Nothing is monkey-patched: sockets and pipes wait
through `GeventWaiter`, and what only the kernel can wait for (disks, locks) or what computes goes to a thread.
"""
