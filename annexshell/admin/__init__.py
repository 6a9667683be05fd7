"""What the verbs of `annexshell` do, apart from reading a command line and printing.

Returns values, so that a verb, the status page and a test can each make their own of them.
"""
