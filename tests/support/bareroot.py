"""A bare Debian in a directory: what mmdebstrap installs there, and nothing of this machine but where it takes its
packages from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# What the Debian package needs or may make use of, git-annex to be installed beside, and a machine around them.
_PACKAGES = (
    "git git-annex python3 python3-bcrypt python3-docopt python3-gevent python3-h11 python3-psutil python3-venv "
    "dbus dbus-user-session libpam-systemd linux-image-cloud-amd64 openssh-server systemd systemd-sysv"
)
_LEFT_OUT = ("/usr/share/doc/git-annex/*", "/usr/share/locale/*", "/usr/share/zoneinfo/*")
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8")


class Unavailable(Exception):
    """Why there can't be one here."""


class Root:
    """The root directory of a Debian that is not running."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Runs a program there as root; both streams are returned together, and shown when it fails."""
        chroot = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        command: list[str | Path] = ["unshare", "--mount", "sh", "-c", chroot, self.path]
        command += ["env", "-i", *_ENVIRONMENT, "DEBIAN_FRONTEND=noninteractive", *argv]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        output = os.fsdecode(done.stdout)
        assert not check or done.returncode == 0, f"{argv} exited with {done.returncode}\n{output}"
        return output

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)


def bare_root(path: Path, cache: Path) -> Root:
    """A new one in that directory, copied from what the first call makes in `cache`. Raises Unavailable."""
    if os.getuid() != 0:
        raise Unavailable("only root can make a bare Debian")
    if shutil.which("mmdebstrap") is None:
        raise Unavailable("there is no mmdebstrap")
    sources = next((place for place in _SOURCES if place.exists()), None)
    suite = _suite()
    if sources is None or not suite:
        raise Unavailable("this is no Debian that says where its packages are from")
    wanted = hashlib.sha256(repr((suite, _PACKAGES, _LEFT_OUT, sources.read_text())).encode()).hexdigest()[:16]
    kept = cache / wanted
    if not kept.is_dir():
        for old in cache.iterdir():
            shutil.rmtree(old)
        _make(kept, suite, sources)
    subprocess.run(["cp", "-a", "--reflink=auto", kept, path], check=True)
    return Root(path)


def _suite() -> str:
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return ""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.MULTILINE)
    return found[1] if found and re.search(r"^ID=debian$", text, re.MULTILINE) else ""


def _make(path: Path, suite: str, sources: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / "root"
        options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
        command = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory", *options]
        packages = ",".join(_PACKAGES.split())
        done = subprocess.run(
            [*command, f"--include={packages}", suite, made, sources], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            reasons = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err:"))]
            raise Unavailable(f"mmdebstrap can't make a bare Debian: {' '.join(reasons[:2])}")
        made.rename(path)
