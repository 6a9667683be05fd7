"""A coverage-guided fuzzer of everything that reads a client's bytes before any of them is trusted.

    pip install atheris
    python -m tests.fuzz.fuzz_codec -max_total_time=300 [CORPUS_DIRECTORY]

Further options are libFuzzer's. The input is taken for the lines of a client; each is parsed, written again and parsed
once more, as are its key, its associated file and the paths that are made of them, and the whole is served from memory.
atheris is no dependency of the tests: pytest does not collect this file.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["annexshell"]):
    from annexshell.errors import (
        AnnexshellError,
        BadKey,
        ClosedByPeer,
        LineTooLong,
        NotEncodable,
        PeerGone,
        UnknownCommand,
    )
    from annexshell.model.ids import decode_associated_file, encode_associated_file, uuid_directory
    from annexshell.model.key import Key, key_from_file_name, parse_key
    from annexshell.repo.memory import MemoryRepository
    from annexshell.serve.session import Session
    from annexshell.store.layout import DOWNLOAD, UPLOAD, Layout
    from annexshell.store.retention import parse_deadline
    from annexshell.stream.memory import MemoryStream
    from annexshell.wire.codec import encode, parse

from tests.fuzz.conversation import Conversation

LAYOUT = Layout(b"/AD", bare=False)
PRESENT = parse_key(b"WORM--a")


def check_line(line: bytes) -> None:
    try:
        message = parse(line)
    except UnknownCommand:
        return
    try:
        again = encode(message.word, *message.args)
    except NotEncodable:
        assert b"\0" in line
        return
    assert again.endswith(b"\n")
    if message.word not in (b"GET", b"PUT"):  # a blank in a file name comes back as another character
        assert parse(again[:-1].removesuffix(b"\r")) == message
    for argument in message.args:
        if isinstance(argument, Key):
            check_key(argument)


def check_text(text: bytes) -> None:
    try:
        check_key(parse_key(text))
    except BadKey:
        pass
    try:
        check_key(key_from_file_name(text))
    except BadKey:
        pass
    name = decode_associated_file(text)
    assert name is None or b"\0" not in name
    assert not set(encode_associated_file(text)) & set(b" \t\n\r\v\f")
    deadline = parse_deadline(text)
    assert deadline is None or deadline >= 0


def check_key(key: Key) -> None:
    assert parse_key(key.serialized) == key
    assert key_from_file_name(key.file_name) == key
    directory = uuid_directory(key.name)
    paths = [*LAYOUT.object_candidates(key), LAYOUT.partial(key), *LAYOUT.transfer_locks(DOWNLOAD, key, key.name)]
    paths += [*LAYOUT.transfer_locks(UPLOAD, key, key.name), LAYOUT.failed_transfer(UPLOAD, key, key.name)]
    for path in paths:
        parts = path.split(b"/")
        assert path.startswith(b"/AD/")
        assert not {b"..", b"."} & set(parts)
        assert b"" not in parts[1:]
    assert b"/" not in directory


def check_session(data: bytes) -> None:
    repository = MemoryRepository(b"here")
    repository.contents[PRESENT] = b"a"
    stream = MemoryStream(data, piece=7)
    reported: list[AnnexshellError] = []
    try:
        Session(stream, repository, reported.append).serve()
    except (PeerGone, LineTooLong, ClosedByPeer):
        pass
    assert not repository.unfinished
    Conversation(data, bytes(stream.outgoing), {PRESENT: b"a"}, trusted=True).check()


def check(data: bytes) -> None:
    for line in data.split(b"\n")[:5]:
        check_line(line)
        check_text(line)
    check_session(data)


def main() -> None:
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
