"""The commands of git-annex-shell, one module each; `admin` has the verbs of annexshell. Only this room reads the
environment, and everything below it is handed what it needs.

A session over ssh pays for each import, so a command's module is imported when the command is called, and itself
imports inside functions what not every session needs.
"""
