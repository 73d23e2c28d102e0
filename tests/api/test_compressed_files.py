"""Streamlit's files on their way to a browser."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import httpx
import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from lumira.api.compressed_files import CompressedFiles
from tests.conftest import serving

FOLDER = Path(streamlit.__file__).parent / "static" / "static"
PROGRAM = next((FOLDER / "js").glob("index.*.js"))
ADDRESS = f"/static/js/{PROGRAM.name}"


@pytest.fixture(scope="module")
def files():
    app = Starlette(
        routes=[Mount("/static", StaticFiles(directory=FOLDER))], middleware=[Middleware(CompressedFiles)]
    )
    with serving(app) as url, httpx.Client(base_url=url) as client:
        yield client


def raw(files, **headers):
    with files.stream("GET", ADDRESS, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


def test_a_program_is_sent_compressed_each_time_the_same(files):
    for _ in range(2):
        answer, body = raw(files, **{"accept-encoding": "gzip, br"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert int(answer.headers["content-length"]) == len(body) < PROGRAM.stat().st_size / 2
        assert gzip.decompress(body) == PROGRAM.read_bytes()
        assert "javascript" in answer.headers["content-type"]


def test_who_does_not_take_that_gets_the_file_as_it_is(files):
    answer, body = raw(files, **{"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert body == PROGRAM.read_bytes()


def test_a_part_and_a_file_that_is_known_are_answered_as_ever(files):
    part, body = raw(files, **{"accept-encoding": "gzip", "range": "bytes=0-9"})
    assert part.status_code == 206
    assert body == PROGRAM.read_bytes()[:10]
    known, _ = raw(files, **{"accept-encoding": "gzip"})
    again, body = raw(files, **{"accept-encoding": "gzip", "if-none-match": known.headers["etag"]})
    assert (again.status_code, body) == (304, b"")


def test_a_file_that_is_not_there_is_not_kept(files):
    for _ in range(2):
        answer = files.get("/static/js/nothing.js", headers={"accept-encoding": "gzip"})
        assert answer.status_code == 404
        assert "content-encoding" not in answer.headers


def test_a_file_is_whole_for_the_next_reader_whoever_left_before(files):
    address = files.base_url
    programs = sorted((FOLDER / "js").glob("*.js"))[:40]
    for program in programs:
        with socket.create_connection((address.host, address.port)) as reader:
            reader.sendall(
                f"GET /static/js/{program.name} HTTP/1.1\r\nHost: {address.host}\r\n"
                "Accept-Encoding: gzip\r\n\r\n".encode()
            )
    for program in programs:
        assert files.get(f"/static/js/{program.name}").content == program.read_bytes()


def test_a_font_is_compressed_as_it_is(files):
    font = next((FOLDER / "media").glob("*.woff2"))
    answer = files.get(f"/static/media/{font.name}", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.content == font.read_bytes()
