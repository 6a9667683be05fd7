"""annexshell: a server for git-annex repositories. Importing the package imports nothing else."""

__version__ = "0.1.0"
