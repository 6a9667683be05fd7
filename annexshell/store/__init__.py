"""The objects of one repository: where they lie, who has them locked, how they come and go.

Knows files and keys, and no git: neither the location log nor the configuration. `repo/local` joins it with those.
"""
