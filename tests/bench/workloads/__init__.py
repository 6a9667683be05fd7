"""All workloads, in the order of the table; those of the HTTP server have one of their own."""

from __future__ import annotations

from tests.bench.model import Workload
from tests.bench.workloads import bulk, gateway, git, http, small, start

WORKLOADS: list[Workload] = [*bulk.WORKLOADS, *small.WORKLOADS, *start.WORKLOADS, *gateway.WORKLOADS]
HTTP_WORKLOADS: list[Workload] = [*http.WORKLOADS, *git.WORKLOADS]
