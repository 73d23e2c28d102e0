"""What a container is built from fits what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lumira.api.allowed_hosts import is_allowed

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


def test_the_proxys_health_check_asks_by_a_name_we_answer_under(settings):
    caddyfile = (ROOT / "deploy" / "Caddyfile").read_text()
    [path] = re.findall(r"health_uri (\S+)", caddyfile)
    [host] = re.findall(r"health_headers \{\s+Host (\S+)\s+\}", caddyfile)
    assert path == "/api/healthz"
    # Without it the check would name the container, be refused, and take every process out.
    deployed = settings.model_copy(update={"host": "0.0.0.0", "allowed_hosts": ("pay.example.com",)})
    assert is_allowed(host, deployed)
    assert not is_allowed("api:8501", deployed)


def test_systemd_leaves_the_store_to_lumira_when_it_stops_it():
    # To every process at once, as is the default, the store would be gone before the requests in flight.
    assert "KillMode=mixed" in (ROOT / "deploy" / "lumira.service").read_text()
