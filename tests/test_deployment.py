"""What a container is built from fits what is tested."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import certifi
import httpx
import pytest

from lumira.api.allowed_hosts import OPEN
from lumira.child_process import free_port
from tests import web
from tests.conftest import wait_until

ROOT = Path(__file__).parents[1]


def versions(lock: str) -> dict[str, str]:
    """The version of each package that a lock names."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_what_runs_in_a_container_is_what_is_tested_and_no_more():
    tested, run = versions("requirements.lock"), versions("requirements-run.lock")
    assert len(run) > 50
    assert run.items() <= tested.items()
    assert not {"pytest", "mypy", "playwright", "ruff", "hypothesis"} & run.keys()


def test_no_lock_names_where_packages_come_from():
    for lock in ("requirements.lock", "requirements-run.lock"):
        text = (ROOT / lock).read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--index|--find-links", text)


def test_the_image_holds_every_file_the_program_runs_by():
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    let_in = (ROOT / ".dockerignore").read_text()
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, name
    assert {"app.py", "lumira", "pages", ".streamlit"} <= set(copied)


@pytest.mark.parametrize("file", ["compose.yaml", "lumira.service", ".env.example"])
def test_what_a_deployment_sets_is_a_setting(file):
    from lumira.settings import Settings

    known = set()
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        known |= {str(name) for name in getattr(alias, "choices", [alias])}
    said = set(
        re.findall(r"\b((?:LUMIRA|STRIPE|MONGODB)_[A-Z_]+)\b(?==|:)", (ROOT / "deploy" / file).read_text())
    )
    assert said
    assert said <= known


def test_the_proxys_health_check_may_name_us_as_it_likes():
    [path] = re.findall(r"health_uri (\S+)", (ROOT / "deploy" / "Caddyfile").read_text())
    # A check names the container; refused for that, it would take every process out.
    assert path in OPEN


def test_the_containers_health_check_asks_where_the_desk_listens(desk, api_server):
    [command] = re.findall(r"HEALTHCHECK [^\[]*(\[.*\])", (ROOT / "Dockerfile").read_text())
    _, *arguments = json.loads(command)

    def checked(port: str) -> int:
        environment = {**os.environ, "LUMIRA_PORT": port}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL
        ).returncode

    assert checked(api_server.rpartition(":")[2]) == 0
    assert checked(str(free_port())) == 1


@pytest.mark.skipif(
    not shutil.which("caddy"), reason="no Caddy on this machine (Debian: apt-get install caddy)"
)
def test_caddy_takes_its_file(tmp_path):
    environment = {
        **os.environ,
        "SITE": "pay.example.com",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    for command in (["validate", "--adapter", "caddyfile", "--config"], ["fmt"]):
        checked = subprocess.run(
            ["caddy", *command, ROOT / "deploy" / "Caddyfile"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stderr
    assert checked.stdout == (ROOT / "deploy" / "Caddyfile").read_text()


@pytest.mark.skipif(
    not shutil.which("caddy"), reason="no Caddy on this machine (Debian: apt-get install caddy)"
)
def test_caddy_asks_the_houses_own_authority_where_the_guide_says_so(tmp_path):
    guide = (ROOT / "docs" / "deployment.md").read_text()
    [options] = re.findall(r"^```\n(\{\n\tacme_ca .*?\n\}\n)```", guide, re.MULTILINE | re.DOTALL)
    options = options.replace("/etc/caddy/root.pem", certifi.where())
    (tmp_path / "Caddyfile").write_text(options + (ROOT / "deploy" / "Caddyfile").read_text())
    adapted = subprocess.run(
        ["caddy", "adapt", "--validate", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile"],
        env={**os.environ, "SITE": "pay.example.com", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert adapted.returncode == 0, adapted.stderr
    [policy] = json.loads(adapted.stdout)["apps"]["tls"]["automation"]["policies"]
    assert {issuer["ca"] for issuer in policy["issuers"]} == {"https://ca.example.com/acme/acme/directory"}


@pytest.mark.skipif(
    not shutil.which("caddy"), reason="no Caddy on this machine (Debian: apt-get install caddy)"
)
def test_caddy_goes_round_a_process_that_has_just_stopped(tmp_path):
    class Alive(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    desk, api = (ThreadingHTTPServer(("127.0.0.1", 0), Alive) for _ in range(2))
    for process in (desk, api):
        threading.Thread(target=process.serve_forever, daemon=True).start()
    site = f"http://127.0.0.1:{free_port()}"
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    text = text.replace("desk:8501", f"127.0.0.1:{desk.server_port}")
    text = text.replace("api:8501", f"127.0.0.1:{api.server_port}")
    # So that no check tells of it first.
    text = re.sub(r"health_interval \S+", "health_interval 1h", text)
    (tmp_path / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{text}")
    environment = {**os.environ, "SITE": site, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        caddy = subprocess.Popen(
            ["caddy", "run", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile"],
            env=environment,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(f"{site}/metrics"))
        api.shutdown()
        api.server_close()
        assert {web.get(f"{site}/api/products").status_code for _ in range(10)} == {200}
        assert web.get(f"{site}/metrics").status_code == 404
    finally:
        caddy.terminate()
        caddy.wait(timeout=10)
        desk.shutdown()
        desk.server_close()


def answers(url: str) -> bool:
    """Whether anybody answers there."""
    try:
        web.get(url)
    except httpx.TransportError:
        return False
    return True


NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.mark.skipif(not NGINX, reason="no nginx on this machine (Debian: apt-get install nginx-light)")
def test_nginx_takes_its_file(tmp_path):
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    # What a test has not: ports of the system's own, IPv6, a certificate, the folder of its logs.
    text = re.sub(r"listen \[::\]:.*\n", "", text)
    text = text.replace("listen 80;", f"listen {free_port()};").replace("listen 443", f"listen {free_port()}")
    text, certificates = re.subn(r"ssl_certificate\S* /etc/letsencrypt/live/pay\.example\.com/.*\n", "", text)
    assert certificates == 2
    text = text.replace("ssl_protocols", "ssl_reject_handshake on;\n ssl_protocols")
    text = text.replace("/var/log/nginx", str(tmp_path))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}}}\n")
    checked = subprocess.run(
        [NGINX, "-t", "-q", "-e", tmp_path / "error.log", "-c", whole], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_no_proxy_passes_on_what_a_caller_says_of_itself():
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    # A location with a header of its own would have none of those of the server.
    locations = re.findall(r"location [^{]+\{[^}]+\}", text)
    assert len(locations) == 4
    assert not any("proxy_set_header" in location for location in locations)
    # Payment links have their token in the query, and a log is read by many.
    assert "$request_uri" not in re.findall(r"log_format .*", text)[0]
    assert '"$request"' not in text


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_takes_its_unit(tmp_path):
    unit = tmp_path / "lumira.service"
    text = (ROOT / "deploy" / "lumira.service").read_text()
    unit.write_text(text.replace("/opt/lumira/.venv/bin/lumira run", "/bin/true"))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_systemd_leaves_the_store_to_lumira_when_it_stops_it():
    # To every process at once, as is the default, the store would be gone before the requests in flight.
    assert "KillMode=mixed" in (ROOT / "deploy" / "lumira.service").read_text()
