"""Our packages on a bare Debian, and our units under a real systemd: used by real clients on this machine.

One machine for all: whoever changes what others rely on puts it back. The last tests remove the package.
"""

from __future__ import annotations

import os
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from annexshell import __version__
from tests.conftest import ROOT
from tests.machine.conftest import INSTANCE, OWN, SECRET, SYSTEM
from tests.oracle.clients import Clone
from tests.support.bareroot import Root
from tests.support.certificates import make_certificate
from tests.support.client import sha256_key
from tests.support.machine import PATIENCE, Machine

pytestmark = pytest.mark.timeout(1800)  # seconds: the first test makes what all use, of what has to be downloaded

UNIT = "annexshell-p2phttp"
OF_SRV = f"{UNIT}@srv-annex"
OF_SECRET = f"{UNIT}@srv-secret"
PHOTOS = "/var/lib/annexshell/photos"
PASSWORD = "it's a secret"
SHELL, MANUAL = "usr/bin/git-annex-shell", "usr/share/man/man1/git-annex-shell"


class Service:
    """One of the machine's servers, at one of its ports; over https if there is a certificate to trust."""

    def __init__(self, machine: Machine, port: int, certificate: Path | None = None) -> None:
        self.port = machine.at[port]
        self.certificate = certificate
        self.url = f"annex+http{'s' if certificate else ''}://localhost:{self.port}/git-annex/"

    def connect(self) -> HTTPConnection:
        if self.certificate is None:
            return HTTPConnection("localhost", self.port, timeout=PATIENCE)
        trust = ssl.create_default_context(cafile=self.certificate)
        return HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=trust)

    def health(self) -> bytes:
        connection = self.connect()
        connection.request("GET", "/healthz")
        answer = connection.getresponse().read()
        connection.close()
        return answer


class Upload:
    """One of which a half has been sent."""

    def __init__(self, service: Service, uuid: str, key: str, content: bytes) -> None:
        self._rest = content[len(content) // 2 :]
        self._connection = service.connect()
        path = f"/git-annex/{uuid}/v4/put?key={quote(key)}&clientuuid=some-client"
        self._connection.putrequest("POST", path)
        self._connection.putheader("Content-Length", str(len(content)))
        self._connection.putheader("X-git-annex-data-length", str(len(content)))
        self._connection.putheader("Authorization", f"Basic {b64encode(f'ann:{PASSWORD}'.encode()).decode()}")
        self._connection.endheaders(content[: len(content) // 2])

    def finish(self) -> bytes:
        self._connection.send(self._rest)
        answer = self._connection.getresponse().read()
        self.close()
        return answer

    def close(self) -> None:
        self._connection.close()


def uuid_of(machine: Machine, repository: str) -> str:
    return machine.run(f"git config --file {repository}/config annex.uuid")


@pytest.fixture
def connect(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clone]:
    """connect(service, uuid) is a client whose remote "origin" that is; its passwords are those of ann."""

    def make(service: Service, uuid: str, name: str = "client") -> Clone:
        if service.certificate is not None:
            monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate))
            monkeypatch.setenv("SYSTEM_CERTIFICATE_PATH", str(service.certificate))
        clone = Clone(tmp_path / name, programs)
        clone.path.mkdir()
        clone.git("init", "-q")
        clone.annex("init", "-q", name)
        clone.git("remote", "add", "origin", "ssh://nowhere.invalid/repository")
        for setting in (
            f"remote.origin.annexUrl={service.url}",
            f"remote.origin.annex-uuid={uuid}",
            "remote.origin.annex-ignore=false",
            "annex.security.allowed-ip-addresses=all",
            f'credential.helper=!f() {{ echo username=ann; echo "password={PASSWORD}"; }}; f',
        ):
            clone.git("config", *setting.split("=", 1))
        return clone

    return make


def go_through_it(clone: Clone, file: str = "file", size: int = 300_000) -> str:
    """Up, gone here, down, and a removal that has to ask for a lock. Returns the key, which is there in the end."""
    key = clone.add([file], size)[file]
    clone.annex("copy", "--to", "origin", file)
    clone.annex("drop", file)
    clone.annex("get", file)
    clone.annex("fsck", "--from", "origin", file)
    return key


def stored(machine: Machine, repository: str, key: str) -> bool:
    """Whether a content is there, and what its key says."""
    found = machine.run(f"find {repository}/annex/objects -type f -name {key} -exec sha256sum {{}} +")
    return found[:64] == key.split("--")[1][:64]


# The Debian package, while nothing runs


def test_it_is_installed_beside_git_annex_and_goes_without_a_trace(installed: Root) -> None:
    there, moved = installed.path / f"{MANUAL}.1.gz", installed.path / f"{MANUAL}.git-annex.1.gz"
    assert f"(annexshell) {__version__}" in installed.run("git-annex-shell", "--version")
    assert os.readlink(installed.path / f"{SHELL}.git-annex") == "git-annex"
    assert there.read_bytes() != moved.read_bytes()
    assert installed.run("systemctl", "is-enabled", f"{UNIT}.socket", check=False) == "disabled\n"
    assert installed.run("systemctl", "--global", "is-enabled", f"{UNIT}.socket", check=False) == "disabled\n"
    theirs = moved.read_bytes()
    installed.run("apt-get", "purge", "-y", "annexshell")
    try:
        assert os.readlink(installed.path / SHELL) == "git-annex"
        assert there.read_bytes() == theirs
        assert not moved.exists()
        left = set(installed.run("find", "/", "-xdev", "-name", "*annexshell*").splitlines())
        assert left == {"/annexshell.deb", "/var/lib/annexshell"}  # where repositories may be
    finally:
        installed.run("apt-get", "install", "-y", "--no-install-recommends", "/annexshell.deb")


# The unit of the whole machine


@pytest.fixture(scope="module")
def system(machine: Machine) -> Service:
    """The unit of the whole machine, with a password of ann's."""
    options = "OPTIONS=--unauth-readonly --authenv-http --access-log=- --cpus=1\n"
    password = f"GIT_ANNEX_P2PHTTP_PASSWORD_ann={PASSWORD}\n"
    machine.run(f"cat > /etc/default/{UNIT}", f"{options}{password}".encode())
    machine.run(f"chmod 600 /etc/default/{UNIT}; systemctl enable --now {UNIT}.socket")
    return Service(machine, SYSTEM)


def test_the_first_connection_starts_it(system: Service, machine: Machine) -> None:
    machine.run(f"systemctl stop {UNIT}.service")
    assert machine.unit(f"{UNIT}.service", "ActiveState") == "inactive"
    assert machine.unit(f"{UNIT}.socket", "ActiveState") == "active"
    assert system.health() == b"ok\n"
    machine.until(f"systemctl is-active --quiet {UNIT}")  # which is when it has said so: Type=notify
    journal = machine.run(f"journalctl --unit={UNIT} --output=cat")
    assert "listening on port 9417" in journal
    assert "Started annexshell-p2phttp.service - git-annex repositories over HTTP." in journal


def test_clients_of_several_repositories(system: Service, machine: Machine, connect: Callable[..., Clone]) -> None:
    for place in (PHOTOS, "/var/lib/annexshell/films/.git"):
        clone = connect(system, uuid_of(machine, place), Path(place.removesuffix("/.git")).name)
        key = go_through_it(clone)
        assert stored(machine, place, key)
        clone.annex("drop", "--from", "origin", "file")
        assert not stored(machine, place, key)
    assert re.search(
        r'annexshell\[\d+\]: \S+ - ann \[.*\] "POST /git-annex/\S+/put', machine.run(f"journalctl -u {UNIT}")
    )


def test_an_upload_survives_a_reload_and_a_restart(system: Service, machine: Machine) -> None:
    """Both let what is going on come to its end. What comes meanwhile waits."""
    uuid = uuid_of(machine, PHOTOS)
    assert system.health() == b"ok\n"
    newest = f"pgrep --newest --parent $(systemctl show --value --property=MainPID {UNIT})"
    for action, begun in (
        ("reload", f'test "$({newest})" != {machine.run(newest)}'),
        ("restart", f'test "$(systemctl is-active {UNIT})" = deactivating'),
    ):
        content = os.urandom(200_000)
        key = sha256_key(content)
        upload = begin_upload(machine, system, uuid, key, content)
        machine.run(f"systemctl {action} --no-block {UNIT}")
        machine.until(begun)
        assert b'"stored":true' in upload.finish()
        assert stored(machine, PHOTOS, key)
        assert system.health() == b"ok\n"


def begin_upload(machine: Machine, service: Service, uuid: str, key: str, content: bytes) -> Upload:
    """An upload of which a half has arrived."""
    upload = Upload(service, uuid, key, content)
    machine.until(f"test -s {PHOTOS}/annex/tmp/{key}")
    return upload


def test_a_client_resumes_what_a_kill_broke_off(
    system: Service, machine: Machine, connect: Callable[..., Clone]
) -> None:
    uuid = uuid_of(machine, PHOTOS)
    clone = connect(system, uuid)
    key = clone.add(["large"], 400_000)["large"]
    restarts = machine.unit(UNIT, "NRestarts")
    upload = begin_upload(machine, system, uuid, key, (clone.path / "large").read_bytes())
    machine.run(f"systemctl kill --signal=KILL {UNIT}")
    upload.close()
    machine.until(f"test $(systemctl show --value --property=NRestarts {UNIT}) -gt {restarts}")
    half = machine.run(f"stat --format=%s {PHOTOS}/annex/tmp/{key}")
    clone.annex("copy", "--to", "origin", "large")
    assert stored(machine, PHOTOS, key)
    assert f"offset={half}" in machine.run(f"journalctl --unit={UNIT} --output=cat")


def test_who_hangs_is_restarted(system: Service, machine: Machine) -> None:
    """The first process, or a worker of it."""
    dropin = f"/run/systemd/system/{UNIT}.service.d/watchdog.conf"
    machine.run(f"mkdir -p $(dirname {dropin}); printf '[Service]\\nWatchdogSec=10\\n' > {dropin}")
    machine.run(f"systemctl daemon-reload; systemctl restart {UNIT}")
    main = f"systemctl show --value --property=MainPID {UNIT}"
    for whom in (f"$({main})", f"$(pgrep --parent $({main}))"):
        timeouts = f"journalctl --unit={UNIT} --output=cat | grep --count 'Watchdog timeout'"
        before = machine.run(timeouts, check=False)
        assert system.health() == b"ok\n"
        machine.run(f"kill -STOP {whom}")
        machine.until(f"test $({timeouts}) -gt {before}")
        machine.until(f"systemctl is-active --quiet {UNIT}")
        assert system.health() == b"ok\n"
    machine.run(f"rm {dropin}; systemctl daemon-reload; systemctl restart {UNIT}")


def test_it_stops_promptly(system: Service, machine: Machine) -> None:
    """Also while a client is connected that says nothing."""
    connection = system.connect()
    connection.connect()
    assert system.health() == b"ok\n"
    machine.run(f"timeout 20 systemctl stop {UNIT}.service")  # a client in the middle of something is given 30 seconds
    connection.close()
    assert machine.unit(UNIT, "Result") == "success"
    assert machine.unit(UNIT, "ExecMainStatus") == "0"
    assert system.health() == b"ok\n"


# Instances


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"))


def serve_instance(machine: Machine, name: str, port: int) -> None:
    """Has systemd listen for an instance at a port of its own."""
    place = f"/etc/systemd/system/{name}.socket.d"
    text = f"[Socket]\nListenStream=\nListenStream={port}\n"
    machine.run(f"mkdir -p {place}; cat > {place}/port.conf; systemctl daemon-reload", text.encode())
    machine.run(f"systemctl enable --now {name}.socket")


def put_credentials(machine: Machine, certificates: tuple[Path, Path], owner: str, directory: str) -> None:
    """Certificate, key and ann's password, which others than `owner` can't read."""
    machine.run(f"install -d -m 700 -o {owner} {directory}")
    for name, text in (
        ("cert.pem", certificates[0].read_bytes()),
        ("key.pem", certificates[1].read_bytes()),
        ("htpasswd", htpasswd("ann", PASSWORD)),
    ):
        machine.run(f"umask 077; cat > {directory}/{name}; chown {owner} {directory}/{name}", text)


def htpasswd(user: str, password: str) -> bytes:
    bcrypt = pytest.importorskip("bcrypt")
    hashed: bytes = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))
    return b"%b:%b\n" % (user.encode(), hashed)


_HOOKS = """\
cd /srv/annex/photos
as() { runuser -u annex -- "$@"; }
printf '#!/bin/sh\\necho "$@" >> /srv/annex/hooked\\n' > /usr/local/bin/hook
cp /usr/local/bin/hook .git/hooks/post-update-annex
chmod +x .git/hooks/post-update-annex /usr/local/bin/hook
as git config annex.freezecontent-command '/usr/local/bin/hook freeze %path'
as git config annex.thawcontent-command '/usr/local/bin/hook thaw %path'
as git config annex.pidlock true
as git config core.sharedRepository group
"""


def test_an_instance_over_https(
    machine: Machine, connect: Callable[..., Clone], certificates: tuple[Path, Path], tmp_path: Path
) -> None:
    """Hooks, shared repositories and lock files work in the sandbox; a reload takes a new certificate."""
    photos = "/srv/annex/photos/.git"
    put_credentials(machine, certificates, "annex", "/etc/annexshell")
    files = {"htpasswd": "htpasswd", "certfile": "cert.pem", "privatekeyfile": "key.pem"}
    options = " ".join(f"--{option}=/etc/annexshell/{file}" for option, file in files.items())
    log = "/var/log/annexshell/access.log"
    machine.run(f"cat > /etc/default/{OF_SRV}", f"OPTIONS={options} --access-log={log} --cpus=1\n".encode())
    machine.run("sh -e", _HOOKS.encode())
    serve_instance(machine, OF_SRV, INSTANCE)
    service = Service(machine, INSTANCE, certificates[0])
    clone = connect(service, uuid_of(machine, photos))
    key = go_through_it(clone)
    assert stored(machine, photos, key)
    machine.until("grep -q freeze /srv/annex/hooked")
    assert machine.run(f"find {photos}/annex/objects -name {key} -type f -perm -g=r")
    machine.run(f"grep --quiet /put {log}")

    others = make_certificate(tmp_path)
    put_credentials(machine, others, "annex", "/etc/annexshell")
    machine.run(f"systemctl reload {OF_SRV}")
    renewed = Service(machine, INSTANCE, others[0])
    pem = others[0].read_text().strip()
    wait_for(lambda: ssl.get_server_certificate(("localhost", renewed.port)).strip() == pem)
    assert renewed.health() == b"ok\n"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_credentials_that_only_root_can_read(
    machine: Machine, connect: Callable[..., Clone], certificates: tuple[Path, Path]
) -> None:
    """As the comment in the unit says."""
    put_credentials(machine, certificates, "root", "/root/credentials")
    comment = (ROOT / f"contrib/systemd/{UNIT}.service").read_text()
    (told,) = re.findall(r"^#     \[Service\]\n(?:#     .*\n)+", comment, re.MULTILINE)
    text = told.replace("#     ", "").replace("/etc/annexshell/", "/root/credentials/")
    place = f"/etc/systemd/system/{OF_SECRET}.service.d"
    machine.run(f"mkdir -p {place}; cat > {place}/secrets.conf", text.encode())
    machine.run(f"mv /etc/default/{UNIT} /root")  # its options would count
    try:
        serve_instance(machine, OF_SECRET, SECRET)
        service = Service(machine, SECRET, certificates[0])
        assert service.health() == b"ok\n"
    finally:
        machine.run(f"mv /root/{UNIT} /etc/default")
    clone = connect(service, uuid_of(machine, "/srv/secret/photos"))
    assert stored(machine, "/srv/secret/photos", go_through_it(clone))
    machine.run(f"systemctl disable --now {OF_SECRET}.socket {OF_SECRET}.service")


def test_they_are_exposed_little(system: Service, machine: Machine) -> None:
    assert system.health() == b"ok\n"
    table = machine.run("systemd-analyze security --no-pager")
    exposures = {line.split()[0]: float(line.split()[1]) for line in table.splitlines() if line.startswith(UNIT)}
    assert {f"{UNIT}.service", f"{OF_SRV}.service"} <= set(exposures)
    assert max(exposures.values()) <= 2.0


# A user's own


def test_the_unit_of_a_user_who_is_not_logged_in(machine: Machine, connect: Callable[..., Clone]) -> None:
    """systemd runs it for who has lingering enabled."""
    settings = b"OPTIONS=--wideopen --cpus=1\n"
    place = ".config/systemd/user/annexshell-p2phttp.socket.d"
    socket = f"[Socket]\nListenStream=\nListenStream={OWN}\n".encode()
    machine.connect("alice")
    machine.run("mkdir -p ~/.config/annexshell; cat > ~/.config/annexshell/p2phttp", settings, host="alice")
    machine.run(f"mkdir -p {place}; cat > {place}/port.conf", socket, host="alice")
    machine.run(f"systemctl --user daemon-reload; systemctl --user enable --now {UNIT}.socket", host="alice")
    machine.disconnect("alice")
    clone = connect(Service(machine, OWN), uuid_of(machine, "/home/alice/annex/photos"))
    assert stored(machine, "/home/alice/annex/photos", go_through_it(clone))


# Over ssh


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("alice-limited", "/home/alice/annex/photos"),
        ("bob", "/home/bob/repo.git"),
        ("alice-pyz", "/home/alice/pyz.git"),
    ],
    ids=["forced command", "login shell", "annexshell.pyz"],
)
def test_over_ssh(
    machine: Machine, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, host: str, place: str
) -> None:
    """With Debian's sshd as it is configured there."""
    monkeypatch.setenv("PATH", f"{machine.ssh_directory}:{os.environ['PATH']}")
    machine.connect(host)
    clone = Clone.of(f"ssh://{host}{place}", tmp_path / "clone", programs)
    key = go_through_it(clone)
    clone.annex("sync", "-q", "--no-content")
    assert stored(machine, place, key)
    forbidden = ["cat /etc/passwd"] + ["git-annex-shell 'configlist' /home/bob/repo.git"] * (host != "bob")
    for command in forbidden:
        done = machine.ssh(host, command)
        assert (done.returncode == 0, done.stdout) == (False, b""), command


# The end of the package


def test_an_upgrade_restarts_what_runs(system: Service, machine: Machine) -> None:
    """And nothing else."""
    for unit in (UNIT, OF_SRV):
        machine.run(f"systemctl start {unit}")
    before = {unit: machine.unit(unit, "MainPID") for unit in (UNIT, OF_SRV, OF_SECRET)}
    machine.run("/var/lib/dpkg/info/annexshell.postinst configure 0.0.1-1")
    after = {unit: machine.unit(unit, "MainPID") for unit in before}
    assert before[OF_SECRET] == after[OF_SECRET] == "0"
    assert {before[UNIT], before[OF_SRV]}.isdisjoint({after[UNIT], after[OF_SRV], "0"})
    assert system.health() == b"ok\n"


def test_pip_in_place_of_the_package(system: Service, machine: Machine, connect: Callable[..., Clone]) -> None:
    """Removing the package stops its servers. What README says of pip brings them up again."""
    machine.run("apt-get purge -y annexshell")
    assert machine.run("readlink /usr/bin/git-annex-shell") == "git-annex"
    assert machine.run("pgrep --full annexshell", check=False) == ""
    for unit in (f"{UNIT}.socket", f"{OF_SRV}.socket", UNIT, OF_SRV):
        assert machine.unit(unit, "ActiveState") == "inactive"

    copied = {path: path.read_bytes() for path in (ROOT / "contrib/systemd").glob(f"{UNIT}*")}
    for path, text in copied.items():
        machine.run(f"cat > /etc/systemd/system/{path.name}", text)
    machine.run("ln -s /opt/annexshell/bin/annexshell /usr/local/bin; systemctl daemon-reload")
    machine.run(f"systemctl enable --now {UNIT}.socket")
    assert stored(machine, PHOTOS, go_through_it(connect(system, uuid_of(machine, PHOTOS))))
    command = machine.run(f"ps --no-headers -o args $(systemctl show --value --property=MainPID {UNIT})")
    assert command.startswith("/opt/annexshell/bin/python")
