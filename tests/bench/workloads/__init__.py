"""All workloads, in the order of the table."""

from __future__ import annotations

from tests.bench.model import Workload
from tests.bench.workloads import bulk, gateway, small, start

WORKLOADS: list[Workload] = [*bulk.WORKLOADS, *small.WORKLOADS, *start.WORKLOADS, *gateway.WORKLOADS]
