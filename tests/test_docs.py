"""The documentation: it builds, its guides name what the pages show, its commands do what they say, and what
the code has many of (settings, commands, metrics, …) stands in it.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer.main
from prometheus_client import REGISTRY
from typer.core import TyperCommand, TyperGroup

from lumira import cli, errors, validation
from lumira.child_process import free_port
from lumira.orders import TRANSITIONS
from lumira.setting_sources import variables
from lumira.settings import Settings
from lumira.storage import indexes
from tests.conftest import STRIPE_KEY, WEBHOOK_SECRET, wait_until
from tests.running import answers

ROOT = Path(__file__).parent.parent
PASSWORD = "quatre tirages sous la lune"
SHOWN = ("README.md", "docs/tutorial.md", "docs/tutoriel.md")
BLOCK = re.compile(r"(?P<mark><!-- not run by the tests: [^>]+ -->\n)?```sh\n(?P<lines>.*?)```", re.DOTALL)
# What a reader replaces by their own.
STANDS_FOR = {"'sk_test_…'": STRIPE_KEY, "'whsec_…'": WEBHOOK_SECRET}


def lines() -> list[str]:
    """Every command that README and tutorials show, without its comment, each once."""
    found: dict[str, None] = {}
    for name in SHOWN:
        for block in BLOCK.finditer((ROOT / name).read_text(encoding="utf-8")):
            if not block["mark"]:
                for line in block["lines"].splitlines():
                    found[re.sub(r"\s+#.*", "", line).strip()] = None
    return [line for line in found if line]


def test_only_what_needs_an_account_elsewhere_is_not_run():
    marked = [
        block["lines"].strip()
        for name in SHOWN
        for block in BLOCK.finditer((ROOT / name).read_text(encoding="utf-8"))
        if block["mark"]
    ]
    assert marked == ["stripe listen --latest --forward-to localhost:8501/api/products/webhook"]


@pytest.mark.long(35)
def test_every_command_that_is_shown_does_what_it_says(tmp_path, store_uri, sandbox_url):
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = plain | {
        "HOME": str(tmp_path),
        "LUMIRA_PORT": str(port),
        "LUMIRA_HOME": str(tmp_path / "home"),
    }
    # What is installed is not installed by a test.
    assert subprocess.run(["make", "-q", "install"], cwd=ROOT).returncode == 0, "run make install first"
    done = []
    for line in lines():
        if line == "make test":
            # It is what runs this.
            said = subprocess.run(
                ["make", "-n", "test"], cwd=ROOT, check=True, capture_output=True, text=True
            )
            assert "pytest" in said.stdout
        elif line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            (value,) = shlex.split(STANDS_FOR.get(value, value))
            if name == "MONGODB_URI":
                # A reader's own store and account, and none of what the lines before have left.
                value = f"{store_uri.rstrip('/')}/docs_{tmp_path.name}"
                environment |= {"STRIPE_API_BASE": sandbox_url, "LUMIRA_HOME": str(tmp_path / "real")}
            environment[name] = value
        else:
            typed(line, environment, f"http://127.0.0.1:{port}/api/ready" if line.endswith("run") else None)
        done.append(line)
    assert sum(line.endswith("run") for line in done) >= 3, done
    # In the home folder of whoever runs it stands what it was given, and nothing else.
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "real"}


def typed(line: str, environment: dict[str, str], address: str | None) -> None:
    """Types a command at a terminal and its password where one is asked for; what serves is stopped by Ctrl-C
    once it answers. Fails when it fails.
    """
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", line],
        cwd=ROOT,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    said = bytearray()

    def read() -> None:
        answered = 0
        while True:
            try:
                said.extend(os.read(master, 4096))
            except OSError:
                return
            asked = len(re.findall(rb"(?:Password|confirmation): ", bytes(said)))
            if asked > answered:
                answered = asked
                os.write(master, f"{PASSWORD}\n".encode())

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    try:
        if address:
            wait_until(lambda: process.poll() is not None or answers(address))
            assert process.poll() is None, (line, said.decode(errors="replace"))
            os.write(master, b"\x03")
        process.wait(timeout=60)
        # Ctrl-C is how a server is stopped, not a failure of it: make tells it apart, and bash ends by it.
        ended = (0, 2, 130, -signal.SIGINT) if address else (0,)
        assert process.returncode in ended, (line, said.decode(errors="replace"))
        assert b"Traceback" not in said, said.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reading.join(timeout=5)
        os.close(master)


def _own_terminal() -> None:
    """Makes what is typed the process's own, Ctrl-C too."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_the_site_builds_without_a_dead_link_and_asks_nobody_elsewhere(tmp_path):
    site = tmp_path / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    reference = (site / "openapi.json").read_text(encoding="utf-8")
    assert "/products/create-payment-intent" in reference
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=\"(https?:[^\"]+)", text)
        assert loaded == [], page
    french = (site / "guides" / "fr" / "finance.html").read_text(encoding="utf-8")
    assert re.search(r'<html lang="fr"', french)
    assert not re.search(
        r" [;:!?»]|« ", re.sub(r"<(script|style|code|pre)\b.*?</\1>|<[^>]*>", "", french, flags=re.DOTALL)
    )
    shutil.rmtree(site)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_guides_name_buttons_and_pages_as_they_are(language):
    catalog = ROOT / "lumira" / "locales" / language / "LC_MESSAGES" / "lumira.po"
    texts = set(re.findall(r'^msgstr "(.*)"$', catalog.read_text(encoding="utf-8"), re.MULTILINE))
    unknown = []
    tutorial = ROOT / "docs" / {"fr": "tutoriel.md", "en": "tutorial.md"}[language]
    for guide in [tutorial, *sorted((ROOT / "docs" / "guides" / language).glob("*.md"))]:
        words = re.sub(r"\s+", " ", guide.read_text(encoding="utf-8"))
        unknown += [(guide.name, name) for name in re.findall(r"\*\*([^*]+)\*\*", words) if name not in texts]
    assert unknown == []


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_a_page_is_said_to_say_it_says(language):
    catalog = ROOT / "lumira" / "locales" / language / "LC_MESSAGES" / "lumira.po"
    texts = "".join(re.findall(r'^msgstr (".*")$', catalog.read_text(encoding="utf-8"), re.MULTILINE)).lower()
    guides = [*(ROOT / "docs" / "guides" / language).glob("*.md")]
    if language == "en":
        guides.append(ROOT / "docs" / "operations.md")
    quoted = [
        said
        for guide in guides
        for line in guide.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
        for said in re.findall(r"“([^”]+)”|« ([^»]+) »", line)
    ]
    assert quoted
    assert [said for pair in quoted if (said := "".join(pair).lower()) not in texts] == []


def pages() -> dict[str, str]:
    """Every document's text by its path in the repository."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def commands(group: TyperGroup, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], TyperCommand]:
    """Every command that does something, by the words that call it."""
    found: dict[tuple[str, ...], TyperCommand] = {}
    for name, command in group.commands.items():
        words = (*above, name)
        found |= commands(command, words) if isinstance(command, TyperGroup) else {words: command}
    return found


COMMANDS = commands(typer.main.get_command(cli.app))


def test_every_setting_stands_in_the_readme():
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {name for field in Settings.model_fields for name in variables(field)} - told == set()


def test_every_command_stands_in_the_readme():
    told = set()
    for row in re.findall(r"^\| (`lumira [^|]+) \|", pages()["README.md"], re.MULTILINE):
        names = [found.removeprefix("lumira ").split(" ") for found in re.findall(r"`([^`]+)`", row)]
        group = names[0][0]
        # `lumira token create NAME`, `list`: a name alone is one of the group, or a command of its own.
        told |= (
            {tuple(name[:2]) for name in names}
            | {(name[0],) for name in names}
            | {(group, name[0]) for name in names}
        )
    assert set(COMMANDS) - told == set()


def test_every_command_and_option_in_the_documents_is_there():
    wrong = []
    called = re.compile(r"(?:`|^|sudo |exec desk |&& )(?:\.venv/bin/)?lumira ([a-z][^`#\n&]*)", re.MULTILINE)
    for page, text in pages().items():
        for call in called.findall(text):
            words = tuple(re.findall(r"[a-z][a-z-]*", call)[:2])
            command = COMMANDS.get(words) or COMMANDS.get(words[:1])
            if command is None:
                # A group may be named alone.
                wrong += [] if any(known[0] == words[0] for known in COMMANDS) else [(page, call)]
                continue
            known = {option for parameter in command.params for option in parameter.opts}
            wrong += [
                (page, call, option) for option in re.findall(r"--[a-z-]+", call) if option not in known
            ]
    assert wrong == []


def test_the_metrics_that_are_told_are_those_there_are():
    source = (ROOT / "lumira" / "api" / "metrics.py").read_text(encoding="utf-8")
    counters = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in REGISTRY.collect()
        if metric.name.startswith("lumira_")
    }
    table = re.findall(r"^\| `(lumira_\w+)`", pages()["docs/operations.md"], re.MULTILINE)
    assert set(table) == counters | set(re.findall(r'"(lumira_\w+)"', source))


def test_the_events_of_the_log_that_are_told_are_those_there_are():
    written = set()
    for file in (ROOT / "lumira").rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        written |= set(re.findall(r'logger\.(?:log\(level, |\w+\(\s*)"([^"%]+)"', source))
    rows = re.findall(r"^\| (`[^|]+) \| (?:info|warning|error) \|", pages()["docs/logs.md"], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == written


def test_the_architecture_tells_every_collection_and_every_move():
    text = pages()["docs/architecture.md"]
    names = {value for name, value in vars(indexes).items() if name.isupper() and isinstance(value, str)}
    held = text.partition("## What the store holds")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z_]+)`", held)) - {"listing"} == names
    moves = text.partition("## How an order may move")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", moves, re.MULTILINE))
    assert {start: set(re.findall(r"`(\w+)`", ends)) for start, ends in rows.items()} == {
        str(start): set(map(str, ends)) for start, ends in TRANSITIONS.items()
    }


def test_the_codes_of_the_api_are_codes_there_are():
    known = {thing.code for thing in vars(errors).values() if isinstance(getattr(thing, "code", None), str)}
    table = pages()["docs/api.md"].partition("| status | code |")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([A-Z_]{6,})`", table))
    assert told - known == {"UNKNOWN_HOST", "METHOD_NOT_ALLOWED", "LUMIRA_ALLOWED_HOSTS"}
    refusals = {thing.code for thing in vars(validation).values() if hasattr(thing, "code")}
    assert refusals - told == set(), "what lumira/validation.py refuses is told in docs/api.md"


def test_the_tree_of_errors_is_the_one_there_is():
    branch = re.compile(r"    ((?:│   |    )*)([├└]── )?(\w+)(?: +(\d{3}))?(?: +([A-Z_]{6,})\b)?")
    above, told = [], set()
    for line in errors.__doc__.splitlines():
        if found := branch.match(line):
            indent, is_below, name, status, code = found.groups()
            del above[len(indent) // 4 + bool(is_below) :]
            error = getattr(errors, name)
            assert error.__base__.__name__ == (above[-1] if above else "Exception"), name
            assert code in (None, error.code), name
            assert status in (None, str(error.status)), name
            above.append(name)
            told.add(name)
    there = {name for name, thing in vars(errors).items() if hasattr(thing, "code")}
    assert there - told == set(), "the tree at the head of lumira/errors.py tells every error"


def test_every_picture_that_is_kept_is_shown():
    shown = {name for text in pages().values() for name in re.findall(r"screenshots/([\w-]+\.png)", text)}
    assert shown == {file.name for file in (ROOT / "docs" / "screenshots").iterdir()}
