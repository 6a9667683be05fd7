"""Moves payload from descriptor to descriptor, and returns how many bytes it was.

splice or sendfile where nobody has to see the bytes, one ring of buffers where they are hashed or go to several sinks.
Knows neither messages nor keys: what a short count means, the caller decides.
"""
