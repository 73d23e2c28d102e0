"""What a container is built from fits what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
