"""Each module of the HTTP server has tests of its own, or is listed here with those that try it."""

from __future__ import annotations

from tests.conftest import ROOT

PACKAGE = ROOT / "annexshell/serve/http"
TESTS = ROOT / "tests/serve/http"
SERVER = "test_http_server.py"  # a running server, and clients that write HTTP by hand
API = "test_http_api.py"
STATUS, POOLED = "test_status.py", "repositories/test_locktable.py"
GIT = "git/test_serving.py"
BROWSE = "test_browse.py"
ELSEWHERE = {
    "access/cors.py": "test_http_cors.py",
    "api/call.py": "test_access_table.py",  # every parameter of every endpoint
    "api/content.py": "test_http_sendfile.py",
    "api/dispatch.py": "test_access_table.py",
    "api/handlers.py": API,
    "api/ranges.py": API,
    "api/refusals.py": "test_access_table.py",
    "api/sendfile.py": "test_http_sendfile.py",
    "api/upload.py": API,
    "browse/pages.py": "browse/test_downloads.py",
    "browse/service.py": BROWSE,
    "browse/whereabouts.py": BROWSE,
    "connections.py": "test_httpd.py",
    "conversation.py": "test_httpd.py",
    "entrance.py": "test_httpd.py",
    "git/chunks.py": GIT,
    "git/discovery.py": GIT,
    "git/finding.py": "git/test_rules_for_git.py",
    "git/process.py": GIT,
    "git/pushes.py": GIT,
    "git/running.py": GIT,
    "git/service.py": GIT,
    "git/tidying.py": GIT,
    "http1/exchange.py": SERVER,
    "http1/heads.py": "http1/test_parsing.py",  # both libraries, with the same requests
    "http1/parsing_h11.py": "http1/test_parsing.py",
    "http1/parsing_httptools.py": "http1/test_parsing.py",
    "http1/sender.py": "access/test_trusted.py",
    "http1/sendfile.py": "test_http_sendfile.py",
    "reporting/counting.py": "reporting/test_metrics.py",
    "reporting/witness.py": "test_httpd.py",
    "repositories/commits.py": SERVER,
    "repositories/directory.py": SERVER,
    "repositories/handle.py": POOLED,
    "repositories/housekeeping.py": "test_http_limits.py",
    "repositories/lender.py": POOLED,
    "repositories/pool.py": POOLED,
    "repositories/request.py": POOLED,
    "repositories/served.py": POOLED,
    "repositories/settings.py": POOLED,
    "repositories/takeover.py": "test_http_limits.py",
    "router.py": API,
    "shutdown.py": SERVER,
    "status/chart.py": STATUS,
    "status/page.py": STATUS,
    "status/texts.py": STATUS,
    "workers.py": SERVER,
}


def test_every_module_is_tried_somewhere() -> None:
    own = {path.name for path in TESTS.rglob("test_*.py")}
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    without = {module for module in modules if "test_" + module.rpartition("/")[2] not in own}
    assert without - ELSEWHERE.keys() == set(), "tests of their own are missing"
    assert ELSEWHERE.keys() - without == set(), "these are listed for nothing"
    assert all((TESTS / tests).exists() for tests in ELSEWHERE.values())
