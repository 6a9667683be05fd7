"""Decisions: which nodes to use, in which order, whom a gateway proxies for, what preferred content says.

Pure functions over values: nothing here reads, writes or waits, so every decision can be tested without a disk or a
network. What is decided about comes from logs that others push; so all work is bounded.
"""
