"""annexshell top: what is going on in repositories, again and again."""

from __future__ import annotations

import json
import os
import time

from annexshell.cli.admin.report import say
from annexshell.errors import BadUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.cli.admin.options import Options
    from annexshell.cli.admin.watching.observer import Observer

USAGE = """Shows what is going on in repositories as annexshell status does, again and again, until q is pressed.

Usage:
  annexshell top [options] [--] [<directory>...]

DIRECTORY is a repository, or has some below it. Without any, it is the current directory.

Options:
  --interval=SECONDS  Time between two looks [default: 2].
  --count=NUMBER      End after so many looks.
  --offline           Ask no nodes.
  --json              Print a line of JSON for each look.
  -h --help           Show this.

If the output is not a terminal, each look is printed below the one before.
"""


def run(options: Options) -> int:
    """Prints looks until the user ends it, or `--count` is reached."""
    from annexshell.cli.admin.watching.observer import Observer

    interval = _number(options.text("--interval"), "--interval")
    given = options.given("--count")
    count = None if given is None else int(_number(given, "--count"))
    observer = Observer(options.texts("<directory>"), options.flag("--offline"))
    try:
        if os.isatty(0) and os.isatty(1) and not options.flag("--json"):
            _on_screen(observer, interval, count)
        else:
            _print(observer, interval, count, options.flag("--json"))
    except KeyboardInterrupt:
        pass
    return 0


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 1e6:
        raise BadUsage(f"{name} has to be a number of at least 0.1, not {text!r}")
    return number


def _on_screen(observer: Observer, interval: float, count: int | None) -> None:
    from annexshell.cli.admin.watching.screen import Screen
    from annexshell.cli.admin.watching.text import heading, lines

    with Screen() as screen:
        look = observer.look()
        until = time.monotonic() + interval
        while True:
            observer.ask_beside()
            screen.show([heading(look), *lines(look)])
            if not screen.wait(max(0.0, until - time.monotonic())):
                return
            if time.monotonic() >= until:  # else the wait ended because the window has a new size
                count = None if count is None else count - 1
                if count == 0:
                    return
                look = observer.look()
                until = time.monotonic() + interval


def _print(observer: Observer, interval: float, count: int | None, in_json: bool) -> None:
    from annexshell.cli.admin.watching.text import lines

    while True:
        observer.ask_beside()
        look = observer.look()
        if in_json:
            say(json.dumps({"command": "top", **look}))
        else:
            say("\n".join(lines(look)) + "\n")
        count = None if count is None else count - 1
        if count == 0:
            return
        time.sleep(interval)
