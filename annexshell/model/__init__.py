"""Plain values: keys, uuids, remotes, access modes, amounts, and how text of others is shown.

Everything may import this room, and it imports nothing but errors: no file, clock or socket. Bytes that came from
outside become a value here once, and are checked then.
"""
