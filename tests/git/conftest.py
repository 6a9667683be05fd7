"""The fixtures of the git-annex branch, whose git is what is tested here."""

from tests.annexlog.conftest import ours, repo

__all__ = ["ours", "repo"]
