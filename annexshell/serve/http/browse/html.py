"""How the pages look. Pure: what others chose goes through `safe` or stands percent-encoded in a link."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from annexshell.model.amounts import shown_size
from annexshell.model.show import visible
from annexshell.serve.http.browse.links import FILE, IMAGE, FileView, link
from annexshell.serve.http.browse.pages import image_kind
from annexshell.serve.http.browse.tree import LINK, MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from annexshell.serve.http.browse.pages import Directory, Frame
    from annexshell.serve.http.browse.tree import TreeEntry
    from annexshell.serve.http.browse.whereabouts import Whereabouts

_LONGEST_NAME = 255  # characters
_LONGEST_TEXT = 1 << 16
_MOST_BRANCHES = 500
_MOST_NODES = 5

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5b636d;--paper:#f4f5f7;--card:#fff;--line:#d9dde3;--link:#1257a6;
--good:#1c7a3d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#9aa4b0;--paper:#14171b;--card:#1d2126;--line:#343b44;
--link:#6cb2ff;--good:#5fcf86}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.25rem;margin:.2rem 0;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:1.4rem 0 .5rem}
a{color:var(--link);text-decoration:none}a:hover,a:focus{text-decoration:underline}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.3rem 1rem;margin:.7rem 0}
.dim{color:var(--dim);font-size:.87rem}.here{color:var(--good)}
.path{overflow-wrap:anywhere;margin:.6rem 0}
ul{list-style:none;margin:0;padding:0}
li{border-top:1px solid var(--line);padding:.45rem 0;display:flex;flex-wrap:wrap;gap:0 1rem;align-items:baseline}
li:first-child{border:0}
.name{flex:1 1 12rem;overflow-wrap:anywhere;min-width:0}
.size{font-variant-numeric:tabular-nums;white-space:nowrap}
.url{user-select:all;overflow-wrap:anywhere;font-family:ui-monospace,monospace}
.button{display:inline-block;background:var(--link);color:var(--card);border-radius:.4rem;padding:.45rem 1rem;
margin:.5rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:14px/1.5 ui-monospace,monospace;margin:.6rem 0}
img{display:block;max-width:100%;height:auto;margin:.6rem auto}
summary{cursor:pointer}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1rem}dd{margin:0;overflow-wrap:anywhere}
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = (
    ("Content-Type", "text/html;charset=utf-8"),
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Vary", "Accept"),
)


def safe(text: bytes | str, longest: int | None = _LONGEST_NAME, keep: str = "") -> str:
    """A text that somebody else chose: it begins and ends no element or attribute, and moves nothing around."""
    return escape(visible(text, longest, keep))


def empty_page(frame: Frame) -> bytes:
    """The page of a repository in which there is no branch yet."""
    return _page(frame, '<p class="dim">There is nothing here yet.</p>')


def directory_page(frame: Frame, directory: Directory) -> bytes:
    """A directory, and the readme in it."""
    rows = "".join(_row(entry, frame.view, directory) for entry in directory.entries)
    body = f'<ul class="card">{rows}</ul>' if rows else '<p class="dim">There is nothing here.</p>'
    return _page(frame, body + _turning(frame.view, directory.has_more) + _readme(directory))


def file_page(frame: Frame, entry: TreeEntry, places: Whereabouts | None) -> bytes:
    """A file: what is known of it, a button to download it, and the image if it is one."""
    view = frame.view
    facts = [("Size", _size(entry.size) or "unknown")]
    if entry.key is not None:
        facts += [("Key", f"<bdi>{safe(entry.key.serialized, 1000)}</bdi>"), ("Content", _where(places) or "unknown")]
    if entry.target:
        facts += [("Links to", f"<bdi>{safe(entry.target, 1000)}</bdi>")]
    shown = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)
    body = f'<div class="card"><dl>{shown}</dl>'
    if _is_there(entry, places):
        body += f'<a class="button" href="{view.link(view.path, get=FILE)}">Download</a>'
        if image_kind(entry.name):
            body += f'<img src="{view.link(view.path, get=IMAGE)}" alt="{safe(entry.name)}">'
    return _page(frame, f"{body}</div>")


def _is_there(entry: TreeEntry, places: Whereabouts | None) -> bool:
    """Whether a download may succeed: of what is not known that is tried."""
    return entry.is_file and (entry.key is None or places is None or places.here or bool(places.nodes))


def _page(frame: Frame, body: str) -> bytes:
    name = safe(frame.name)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body><main>'
        f"<h1><bdi>{name}</bdi></h1>{_clone(frame)}{_branches(frame)}{_crumbs(frame)}{body}</main></body></html>\n"
    ).encode("utf-8", "replace")


def _clone(frame: Frame) -> str:
    return f'<div class="dim">git clone <span class="url">{safe(frame.clone, None)}</span></div>' if frame.clone else ""


def _branches(frame: Frame) -> str:
    current = frame.view.branch
    others = [name for name in frame.branches if name != current]
    shown = f"branch <bdi>{safe(current)}</bdi>" if current else "no branch"
    if not others:
        return f'<div class="dim">{shown}</div>'
    rows = "".join(
        f'<li><a href="{link(FileView(name))}"><bdi>{safe(name)}</bdi></a></li>' for name in others[:_MOST_BRANCHES]
    )
    return f'<details class="dim"><summary>{shown}</summary><ul class="card">{rows}</ul></details>'


def _crumbs(frame: Frame) -> str:
    words = frame.view.path.split(b"/") if frame.view.path else []
    if not words:
        return ""
    parts = [f'<a href="{frame.view.link(b"")}">top</a>']
    for number, word in enumerate(words[:-1], 1):
        parts.append(f'<a href="{frame.view.link(b"/".join(words[:number]))}"><bdi>{safe(word)}</bdi></a>')
    parts.append(f"<bdi>{safe(words[-1])}</bdi>")
    return f'<div class="path">{" / ".join(parts)}</div>'


def _row(entry: TreeEntry, view: FileView, directory: Directory) -> str:
    path = view.path + b"/" + entry.name if view.path else entry.name
    name = f"<bdi>{safe(entry.name)}</bdi>"
    if entry.mode == MODULE:
        return f'<li><span class="name">{name}</span><span class="dim">another repository</span></li>'
    if entry.mode == LINK and entry.key is None:
        target = f"link to <bdi>{safe(entry.target)}</bdi>"
        return f'<li><span class="name">{name}</span><span class="dim name">{target}</span></li>'
    slash = "/" if entry.is_directory else ""
    shown = f'<a class="name" href="{view.link(path)}">{name}{slash}</a>'
    if entry.is_directory:
        return f"<li>{shown}</li>"
    places = directory.places.get(entry.key) if entry.key is not None else None
    where = f'<span class="dim">{_where(places)}</span>' if places is not None else ""
    get = f'<a href="{view.link(path, get=FILE)}">download</a>' if _is_there(entry, places) else ""
    return f'<li>{shown}{where}<span class="size dim">{_size(entry.size)}</span>{get}</li>'


def _where(places: Whereabouts | None) -> str:
    """Where the content of an annexed file is; empty where nobody knows."""
    if places is None:
        return ""
    names = ['<span class="here">here</span>'] if places.here else []
    names += [f"on <bdi>{safe(name)}</bdi>" for name in list(places.nodes.values())[:_MOST_NODES]]
    return ", ".join(names) or "not here"


def _turning(view: FileView, has_more: bool) -> str:
    parts = [f'<a href="{view.link(view.path, view.page - 1)}">back</a>'] if view.page else []
    parts += [f'<a href="{view.link(view.path, view.page + 1)}">more</a>'] if has_more else []
    return f"<p>{' · '.join(parts)}</p>" if parts else ""


def _readme(directory: Directory) -> str:
    if not directory.readme:
        return ""
    text = directory.readme.decode("utf-8", "replace").replace("\r\n", "\n")
    name = safe(directory.readme_name)
    return f'<h2><bdi>{name}</bdi></h2><div class="card"><pre>{safe(text, _LONGEST_TEXT, chr(10) + chr(9))}</pre></div>'


def _size(size: int | None) -> str:
    return "" if size is None else shown_size(size, 1 if 1000 <= size < 10_000_000_000_000 else 0)
