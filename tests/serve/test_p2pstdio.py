"""Sessions of our git-annex-shell over pipes, with the real git-annex looking at the result."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.client import Client, sha256_key
from tests.support.real import Repo


def test_stores_and_serves_content(repo: Repo, serve: Callable[..., Client]) -> None:
    content = b"some content"
    key = sha256_key(content)
    client = serve(repo)
    assert client.ask(f"CHECKPRESENT {key}") == "FAILURE"
    assert client.put(key, content) == "SUCCESS"
    assert client.put(key, content) == "ALREADY-HAVE"
    assert client.ask(f"CHECKPRESENT {key}") == "SUCCESS"
    assert client.get(key) == content
    assert client.get(key, offset=5) == content[5:]
    assert client.close() == (0, "")
    assert repo.location_log(key) == {repo.uuid: "1"}
    repo.annex("fsck", "--key", key)


def test_what_is_here_already_is_logged(repo: Repo, serve: Callable[..., Client]) -> None:
    """Somebody was killed when the object was in its place and the log did not say so yet."""
    key = repo.add("a", b"hello\n")
    repo.annex("setpresentkey", key, repo.uuid, "0")
    repo.annex("merge")
    assert repo.location_log(key) == {repo.uuid: "0"}
    client = serve(repo, 1)
    assert client.put(key, b"hello\n") == "ALREADY-HAVE"
    client.close()
    assert repo.location_log(key) == {repo.uuid: "1"}
