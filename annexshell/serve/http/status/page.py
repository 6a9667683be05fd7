"""How the page looks."""

from __future__ import annotations

import time
from base64 import b64encode
from hashlib import sha256

from annexshell.serve.http.status.chart import chart
from annexshell.serve.http.status.texts import count, duration, rate, safe, size
from annexshell.serve.http.status.view import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from annexshell.serve.http.status.view import RepositoryView, StatusView

    Shown = dict[str, Any]

_REFRESH = 5  # seconds
_ALMOST_FULL = 0.9

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b636d;--paper:#f4f5f7;--card:#fff;--line:#d9dde3;--sent:#1769c4;
--received:#b3540c;--good:#1c7a3d;--bad:#c02626;--quiet:#5b636d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#9aa4b0;--paper:#14171b;--card:#1d2126;--line:#343b44;
--sent:#6cb2ff;--received:#f0a35e;--good:#5fcf86;--bad:#ff7b72;--quiet:#9aa4b0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline;justify-content:space-between}
h1{font-size:1.25rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .5rem}h3{font-size:1rem;margin:0}
.dim{color:var(--dim);font-size:.87rem}
a{color:var(--sent)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem;margin:0 0 .7rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.2rem,1fr));gap:.7rem;margin:.8rem 0 .7rem}
.tiles .card{margin:0}
.tiles b{display:block;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;height:9.5rem;margin:.1rem 0 .2rem}
svg path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke-linejoin:round}
svg .grid{stroke:var(--line);stroke-width:1}svg .sent{stroke:var(--sent)}svg .received{stroke:var(--received)}
svg .area{stroke:none;opacity:.14}svg .sent.area{fill:var(--sent)}svg .received.area{fill:var(--received)}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin:0 .35rem 0 0;vertical-align:-.08rem}
.key.sent{background:var(--sent)}.key.received{background:var(--received)}
.legend span{margin-right:1.2rem}
.row{display:flex;flex-wrap:wrap;gap:.1rem 1rem;justify-content:space-between;align-items:baseline}
.name{overflow-wrap:anywhere;min-width:0}
.numbers{font-variant-numeric:tabular-nums;color:var(--dim);font-size:.87rem}
progress,meter{width:100%;height:.7rem;display:block;margin:.25rem 0 0;accent-color:var(--sent)}
.legend{margin-bottom:.5rem}
ul{list-style:none;margin:.6rem 0 0;padding:0}
li{border-top:1px solid var(--line);padding:.5rem 0}
ul.only{margin:-.5rem 0}.only li:first-child{border:0}
.state{font-size:.87rem;font-weight:600;color:var(--quiet);overflow-wrap:anywhere}
.state.good{color:var(--good)}.state.bad{color:var(--bad)}
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = (
    ("Content-Type", "text/html;charset=utf-8"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


def page(view: StatusView) -> bytes:
    """The whole page."""
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>annexshell</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="{_REFRESH}"><style>{_STYLE}</style></head><body><main>',
        _head(view),
        _throughput(view),
        _transfers(view),
        _repositories(view),
        "</main></body></html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _head(view: StatusView) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(view.now))
    who = f"as {safe(view.user)}" if view.user else '<a href="?login">log in</a>' if view.may_log_in else ""
    tiles = [
        (len(view.repositories), "repository" if len(view.repositories) == 1 else "repositories"),
        (len(view.transfers), "transfer" if len(view.transfers) == 1 else "transfers"),
    ]
    if len(view.shown) == len(view.repositories):
        tiles.append((sum(repository.locks for repository in view.shown), "contents locked"))
    if view.connections is not None:
        tiles.append((view.connections, "connection" if view.connections == 1 else "connections"))
    shown = "".join(f'<div class="card"><b>{number}</b>{name}</div>' for number, name in tiles)
    return f'<header><h1>annexshell</h1><span class="dim">{when} {who}</span></header><div class="tiles">{shown}</div>'


def _throughput(view: StatusView) -> str:
    if not view.rates:
        return ""
    received, sent = view.rates[-1]
    legend = (
        f'<div class="legend dim"><span><i class="key sent"></i>sent {rate(sent)}</span>'
        f'<span><i class="key received"></i>received {rate(received)}</span></div>'
    )
    return f'<h2>Throughput</h2><div class="card">{legend}{chart(view.rates)}</div>'


def _transfers(view: StatusView) -> str:
    rows = "".join(f"<li>{_transfer(transfer, view)}</li>" for transfer in view.transfers[:MOST])
    more = len(view.transfers) - MOST
    rest = f'<p class="dim">and {more} more</p>' if more > 0 else ""
    body = (
        f'<div class="card"><ul class="only">{rows}</ul>{rest}</div>' if rows else '<p class="dim">None just now.</p>'
    )
    return f"<h2>Transfers</h2>{body}"


def _transfer(transfer: Shown, view: StatusView) -> str:
    done, total = transfer["done"], transfer["size"]
    seconds = view.now - transfer["started"] if transfer["started"] else 0.0
    numbers = [size(done) + (f" of {size(total)}" if total else "")] if done is not None else []
    if seconds >= 1:
        numbers.append(duration(seconds))
    if transfer.get("user") and view.user:
        numbers.append(f"for {safe(transfer['user'], 40)}")
    bar = f'<progress max="{total}" value="{min(done, total)}"></progress>' if total and done is not None else ""
    name = safe(transfer["file"] or transfer["key"])
    what = f'<i class="key {"sent" if transfer["transfer"] == "sending" else "received"}"></i>'
    return (
        f'<div class="row"><span class="name">{what}{transfer["transfer"]} <bdi>{name}</bdi></span>'
        f'<span class="numbers">{", ".join(numbers)}</span></div>{bar}'
        f'<div class="dim name"><bdi>{safe(view.name_of(transfer["repository"]))}</bdi></div>'
    )


def _repositories(view: StatusView) -> str:
    cards = "".join(_repository(repository, view) for repository in view.shown)
    more = len(view.repositories) - len(view.shown)
    rest = f'<p class="dim">and {more} more</p>' if more > 0 else ""
    return f"<h2>Repositories</h2>{cards}{rest}"


def _repository(repository: RepositoryView, view: StatusView) -> str:
    known = repository.summary
    numbers = [count(int(repository.requests), "request", "requests")]
    numbers += [f"{size(repository.sent)} sent", f"{size(repository.received)} received"]
    if repository.locks:
        numbers.append(f"{repository.locks} locked")
    rows = "".join(f"<li>{_node(node)}</li>" for node in (known or {}).get("nodes", ()))
    nodes = f"<ul>{rows}</ul>" if rows else ""
    age = f"Nodes were asked {duration(view.now - repository.asked)} ago." if rows else ""
    state = "" if known else "Looking at it."
    return (
        f'<section class="card"><div class="row"><h3 class="name"><bdi>{safe(repository.name)}</bdi></h3>'
        f'<span class="numbers">{", ".join(numbers)}</span></div><div class="dim name">{safe(repository.uuid)}</div>'
        f'{_fullness(known or {})}{nodes}<div class="dim">{age}{state}</div></section>'
    )


def _node(node: Shown) -> str:
    kind, state = "good", "answers"
    if node["problem"]:
        kind, state = "bad", safe(node["problem"])
    elif not node["asked"]:
        kind, state = "quiet", "not asked"
    clusters = f' <span class="dim">in {safe(", ".join(node["clusters"]))}</span>' if node["clusters"] else ""
    return (
        f'<div class="row"><span class="name"><bdi>{safe(node["name"])}</bdi>{clusters}</span>'
        f'<span class="state {kind}">{state}</span></div>{_fullness(node)}'
    )


def _fullness(known: Shown) -> str:
    held, maximum = known.get("size"), known.get("maximum")
    if held is None:
        return ""
    if not maximum:
        return f'<div class="dim">{size(held)}</div>'
    high = int(maximum * _ALMOST_FULL)
    meter = f'<meter max="{maximum}" high="{high}" optimum="0" value="{min(held, maximum)}"></meter>'
    return f'{meter}<div class="dim">{size(held)} of {size(maximum)}, {100 * held // maximum}% full</div>'
