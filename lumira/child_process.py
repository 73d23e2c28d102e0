"""Programs that run beside us: waited for, started again when they die, and stopped with us."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from lumira.errors import SettingsError
from lumira.private_files import write

logger: Final = logging.getLogger("lumira.children")

# A store that was killed reads its journal first. Whoever waits is told after a while.
START_SECONDS: Final = 300.0
TOLD_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
# Until a child that ended is started again: longer each time it ends at once, as on a full disk.
RESTART_SECONDS: Final = 0.2
RESTART_AT_MOST: Final = 10.0
# One that lived longer has worked, and is missed.
AT_ONCE_SECONDS: Final = 2.0
# A longer log is put aside at the next start: a child that can't live writes why, over and over.
LOG_AT_MOST: Final = 10_000_000
# How often a child that runs is asked whether it still works.
WORKS_SECONDS: Final = 5.0
# Below those that a system gives away itself: Linux begins at 32768, others at 49152.
PORTS: Final = range(16_000, 32_000)


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


class Child:
    """A child process that is kept running until `stop`.

    `is_ready` is asked until it is true, `works` every few seconds from then on: a child that runs on without
    working is ended, and so begins anew. `environment` adds to ours, for what must not stand in the process
    list. `home` holds the child's log, and a record by which the next start finds a child that outlived us.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        home: Path,
        *,
        is_ready: Callable[[], bool],
        works: Callable[[], bool] = lambda: True,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = home / f"{name}.log"
        self._record = home / f"{name}.pid"
        self._is_ready = is_ready
        self._works = works
        self._environment = {**os.environ, **(environment or {})}
        self._stopping = threading.Event()
        # It is not stopped while it is started again: the new process would be nobody's.
        self._spawning = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the child, without waiting for its first answer. Raises SettingsError where it can't be."""
        self._end_survivor()
        try:
            self._spawn()
        except OSError as error:
            raise SettingsError(
                f"The {self.name} can't be started: {error.strerror}: {error.filename}."
            ) from None

    def wait(self) -> None:
        """Waits until the child answers and keeps it running from then on.

        Raises SettingsError with the end of its log when it ends, or is not up within five minutes.
        """
        began = time.monotonic()
        deadline, told = began + START_SECONDS, False
        while not self._is_ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SettingsError(
                    f"The {self.name} does not start: {self._last_words()}. Its log is {self._log}."
                )
            if not told and time.monotonic() > began + TOLD_SECONDS:
                print(
                    f"The {self.name} is still starting. Its log is {self._log}.", file=sys.stderr, flush=True
                )
                told = True
            time.sleep(0.02)
        threading.Thread(target=self._keep_running, name=f"keep-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """Asks the child to end, and makes it end if it does not within ten seconds."""
        with self._spawning:
            self._stopping.set()
        if self._process is not None:
            _end(_process_of(self._process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
        self._record.unlink(missing_ok=True)

    def _spawn(self) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_AT_MOST:
            self._log.replace(self._log.with_suffix(".log.1"))
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
        # Without the record, on a full disk say, it runs all the same.
        with contextlib.suppress(OSError):
            write(self._record, json.dumps([self._process.pid, self._command[1:]]))

    def _keep_running(self) -> None:
        pause = RESTART_SECONDS
        while self._process is not None:
            began = time.monotonic()
            self._wait_for_end(self._process)
            if self._stopping.is_set():
                return
            if time.monotonic() > began + AT_ONCE_SECONDS:
                pause = RESTART_SECONDS
            logger.error("child ended, starting it again", extra={"child": self.name})
            while not self._stopping.wait(pause):
                pause = min(2 * pause, RESTART_AT_MOST)
                try:
                    with self._spawning:
                        if not self._stopping.is_set():
                            self._spawn()
                    break
                except OSError as error:
                    # Too many open files, say: it is tried again for as long as we run.
                    logger.error(
                        "child can't be started", extra={"child": self.name, "reason": error.strerror}
                    )

    def _wait_for_end(self, process: subprocess.Popen[bytes]) -> None:
        """Waits until the child has ended, by itself or by us because it does not work any more."""
        while True:
            try:
                process.wait(timeout=WORKS_SECONDS)
                return
            except subprocess.TimeoutExpired:
                if not self._stopping.is_set() and not self._works():
                    logger.error("child does not work, ending it", extra={"child": self.name})
                    _end(_process_of(process.pid))

    def _end_survivor(self) -> None:
        """Ends the child of a run that was killed: it holds the data folder. We hold the home's lock."""
        try:
            pid, arguments = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        survivor = _process_of(pid)
        if survivor is None or not isinstance(arguments, list):
            return
        with contextlib.suppress(psutil.Error):
            # Its arguments name our folder and its port. Not by when it began: that follows the clock, which
            # may have been set since.
            if survivor.cmdline()[-len(arguments) :] == arguments:
                _end(survivor)

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1].strip() if lines else "it said nothing"


def _process_of(pid: int) -> psutil.Process | None:
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


def listens(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
