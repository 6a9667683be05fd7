"""The table of operations, and all that has to keep up with it."""

from __future__ import annotations

import re

import pytest

from annexshell.serve.http.api.operations import OPERATIONS, Operation
from annexshell.serve.http.reporting.counting import LABELS
from annexshell.wire.endpoints import ENDPOINTS, MAX_VERSION, PLAIN_KEY
from tests.serve.http import test_access_table
from tests.support.pages import DOCS, code, sections, text_of


def described() -> dict[str, list[str]]:
    """The rows of the table in docs/http.md, by endpoint: methods, right, versions."""
    text = sections(text_of(DOCS / "http.md"))["Requests"]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {code(row[0])[0]: row[1:4] for row in rows}


def test_every_endpoint_is_an_operation() -> None:
    assert set(OPERATIONS) == {*ENDPOINTS.values(), PLAIN_KEY}
    assert all(endpoint is operation.endpoint for endpoint, operation in OPERATIONS.items())


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.endpoint.name)
def test_every_operation_is_described_counted_and_checked(operation: Operation) -> None:
    endpoint = operation.endpoint
    methods, right, versions = described()[endpoint.name]
    assert tuple(re.findall("[A-Z]+", methods)) == tuple(method.decode() for method in endpoint.methods)
    assert code(right) == [operation.right]
    assert versions.startswith(f"{endpoint.since} to {MAX_VERSION}")
    assert endpoint.name in LABELS
    checked = {row for row, _ in test_access_table.ALL}
    assert endpoint in checked


def test_nothing_else_is_described() -> None:
    assert set(described()) == set(ENDPOINTS)
