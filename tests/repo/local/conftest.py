"""A repository of this machine, by its parts."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from annexshell.repo.local.closing import close
from annexshell.repo.local.opening import open_parts
from annexshell.repo.local.parts import Parts
from tests.support.real import Repo


@pytest.fixture
def parts(repo: Repo) -> Iterator[Parts]:
    parts = open_parts(os.fsencode(repo.path), dict(os.environb), pytest.fail)
    yield parts
    close(parts, False)
