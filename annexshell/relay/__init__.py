"""Moves payload from descriptor to descriptor, and returns the number of bytes.

It uses splice or sendfile where nobody has to see the bytes, and a ring of buffers where they are hashed or go to
several sinks. Knows neither messages nor keys: the caller decides what a short count means.
"""
