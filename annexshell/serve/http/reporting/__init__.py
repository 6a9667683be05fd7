"""What a server tells of itself: access log, counters, metrics, health.

Looks on, and changes nothing; a worker's numbers are in memory that all of them share.
"""
