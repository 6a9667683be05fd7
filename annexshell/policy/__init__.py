"""Decisions: which nodes, in which order, who is proxied for, what preferred content says.

Pure functions over values. Nothing here can wait, so that every decision can be tested without disk or network.
"""
