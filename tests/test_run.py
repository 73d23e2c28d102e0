"""`lumira run` and its children as processes of their own: started, killed, restarted, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from lumira import background, child_process
from lumira.child_process import LOG_AT_MOST, Child, free_port, kept_running
from lumira.embedded import STORE_PROGRAMS, embedded_store
from lumira.errors import SettingsError
from tests import web
from tests.conftest import API_TOKEN, wait_until
from tests.running import ROOT, answers, running, variables

pytestmark = pytest.mark.whole

HEADERS = {"Authorization": f"Bearer {API_TOKEN}"}
# The ports the system itself gives to connections.
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def child_of(process: subprocess.Popen, name: str) -> psutil.Process:
    """The child process whose command line has `name`."""
    return next(
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if name in " ".join(child.cmdline())
    )


def create(url: str) -> str:
    """Creates an order over the API and answers its id."""
    response = web.post(
        f"{url}/api/products/create-payment-intent",
        json={"productId": "mystique"},
        headers=HEADERS,
        timeout=60,
    )
    response.raise_for_status()
    return response.json()["orderId"]


def created(url: str) -> str | None:
    """The id of an order created over the API, None while it can't be."""
    try:
        return create(url)
    except httpx.HTTPStatusError:
        return None


@pytest.mark.long(15)
def test_one_command_serves_everything_and_data_is_there_again(tmp_path):
    with running(tmp_path / "home") as server:
        url, process = server.url, server.process
        order_id = create(url)
        assert web.get(f"{url}/sign-in", timeout=60).status_code == 200
        assert web.get(url).status_code == 401
        assert web.get(f"{url}/api/nothing").json()["code"] == "NOT_FOUND"
        assert web.get(url, headers={"Host": "evil.example"}).status_code == 400
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 2
    assert process.returncode == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    with running(tmp_path / "home") as server:
        read = web.get(f"{server.url}/api/products/orders/{order_id}", headers=HEADERS).json()
        assert read["order"]["status"] == "pending"


@pytest.mark.parametrize(
    "command",
    [
        "-m uvicorn app:app --port {port} --log-level warning",
        "-m streamlit run app.py --server.port {port}",
    ],
    ids=["uvicorn", "streamlit"],
)
def test_other_servers_serve_the_same_and_receive_the_sandboxs_webhooks(tmp_path, command):
    # It is told by its command alone where it listens.
    with running(tmp_path / "home", command, environment={"LUMIRA_PORT": "1"}) as server:
        url, process = server.url, server.process
        order_id = create(url)
        assert web.get(url).status_code == 401
        keys = json.loads((tmp_path / "home" / "sandbox.json").read_text())
        sandbox = child_of(process, "lumira.sandbox").cmdline()
        port = sandbox[sandbox.index("--port") + 1]
        confirmed = web.post(
            f"http://127.0.0.1:{port}/v1/payment_intents/{order_id}/confirm",
            data={"payment_method": "pm_card_visa", "return_url": url},
            headers={"Authorization": f"Bearer {keys['secret_key']}"},
        )
        assert confirmed.json()["status"] == "succeeded"
        # Straight from the store: reading over the API would ask Stripe itself.
        uri = (tmp_path / "home" / "store.uri").read_text()
        with MongoClient(uri) as client:
            orders = client.lumira.productorders
            wait_until(lambda: orders.find_one({"paymentIntentId": order_id})["status"] == "completed")


@pytest.mark.parametrize(("installed", "folder"), [("secantusd-rs", "mongod"), ("mongod", "store")])
def test_no_new_store_begins_beside_the_data_of_a_program_that_is_gone(
    tmp_path, monkeypatch, installed, folder
):
    """Whoever uninstalls one would find an empty desk, and write new orders into another store."""
    monkeypatch.setattr("lumira.embedded._program", {installed: f"/usr/bin/{installed}"}.get)
    # Nothing is started.
    monkeypatch.setattr("lumira.embedded.Store", lambda _uri: None)
    (tmp_path / folder).mkdir()
    embedded_store(tmp_path)
    (tmp_path / folder / "WiredTiger").touch()
    (tmp_path / STORE_PROGRAMS[installed]).rmdir()
    with pytest.raises(SettingsError, match=f"{folder} .* not installed"):
        embedded_store(tmp_path)
    (tmp_path / STORE_PROGRAMS[installed]).mkdir()
    (tmp_path / STORE_PROGRAMS[installed] / "WiredTiger").touch()
    embedded_store(tmp_path)


def test_no_acknowledged_order_is_lost_when_the_store_is_killed(tmp_path):
    child, uri = embedded_store(tmp_path)
    acknowledged: list[int] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        number = worker
        while not stop.is_set():
            try:
                orders.insert_one({"_id": number})
            except DuplicateKeyError:
                # Stored before the kill, which cut off the answer: the driver's own repeat finds it there.
                number += 4
                continue
            except PyMongoError:
                time.sleep(0.01)
                continue
            acknowledged.append(number)
            number += 4

    with kept_running(child), MongoClient(uri, w="majority", timeoutMS=2000) as client:
        orders = client.lumira.productorders
        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            before = len(acknowledged)
            wait_until(lambda before=before: len(acknowledged) > before + 200, 60)
            pid = json.loads((tmp_path / "store.pid").read_text())[0]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: json.loads((tmp_path / "store.pid").read_text())[0] != pid)
        before = len(acknowledged)
        wait_until(lambda: len(acknowledged) > before + 50, 60)
        stop.set()
        for thread in threads:
            thread.join()
        stored = {document["_id"] for document in orders.find({}, {"_id": 1})}
    assert len(acknowledged) > 600
    assert set(acknowledged) - stored == set()


@pytest.mark.skipif(not PORT_RANGE.exists(), reason="only Linux says which ports it gives away")
def test_no_outgoing_connection_gets_the_port_of_a_child():
    lowest, highest = map(int, PORT_RANGE.read_text().split())
    assert not any(lowest <= free_port() <= highest for _ in range(50))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody can listen on a port that stays bound")
def test_no_port_is_given_twice_and_a_server_can_listen_on_each():
    # In a process of its own, which gives them all back. Of 400 drawn freely two would be the same.
    program = "from lumira.child_process import free_port; print(*(free_port() for _ in range(400))); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        given = list(map(int, other.stdout.readline().split()))
        assert len(set(given)) == 400
        for port in given[:20]:
            with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError), socket.socket() as third:
                third.bind(("127.0.0.1", port))
        other.communicate("\n")


@pytest.mark.long(15)
def test_killed_children_come_back_and_a_killed_desk_leaves_no_one_behind(tmp_path):
    with running(tmp_path / "home") as server:
        url, process = server.url, server.process
        for name in ("secantusd", "lumira.sandbox"):
            child = child_of(process, name)
            child.kill()
            child.wait(5)
        # Not /api/ready: its answer may be the one of a second ago.
        order_id = wait_until(lambda: created(url), 60)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
    with running(tmp_path / "home") as server:
        assert not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
        assert web.get(f"{server.url}/api/products/orders/{order_id}", headers=HEADERS).status_code == 200


@pytest.mark.long(10)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("command", ["seed --orders 50000", "run"])
def test_what_ends_a_command_ends_what_it_has_started_however_often_it_is_told(tmp_path, command, number):
    environment = variables(LUMIRA_HOME=str(tmp_path), LUMIRA_PORT=str(free_port()))
    process = subprocess.Popen(
        [sys.executable, "-m", "lumira", *command.split()],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Under nohup the tests ignore it, and so would the command, as it should.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    with process:
        try:
            records = [tmp_path / "store.pid", tmp_path / "sandbox.pid"]
            wait_until(lambda: all(record.exists() for record in records))
            children = [psutil.Process(json.loads(record.read_text())[0]) for record in records]
            for _ in range(4):
                process.send_signal(number)
                time.sleep(0.2)
            process.wait(40)
        finally:
            process.kill()
    assert not any(child.is_running() for child in children)


def test_a_child_that_is_stopped_while_it_is_started_again_is_stopped(tmp_path, monkeypatch):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = Child("sleeper", command, tmp_path, is_ready=lambda: True)
    with kept_running(child):
        stopping, spawn = threading.Thread(target=child.stop), subprocess.Popen
        again = []

        def spawn_late(*arguments, **options):
            stopping.start()
            stopping.join(1)
            again.append(spawn(*arguments, **options))
            return again[0]

        monkeypatch.setattr(subprocess, "Popen", spawn_late)
        pid, _ = json.loads((tmp_path / "sleeper.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: again)
        stopping.join(5)
        try:
            wait_until(lambda: again[0].poll() is not None, 5)
        finally:
            again[0].kill()


def test_what_outlived_its_desk_is_known_by_its_command_and_no_other_process_is_ended(tmp_path):
    def sleeper(seconds: int) -> Child:
        command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
        return Child("sleeper", command, tmp_path, is_ready=lambda: True)

    def recorded() -> psutil.Process:
        return psutil.Process(json.loads((tmp_path / "sleeper.pid").read_text())[0])

    first = sleeper(61)
    first.start()
    survivor = recorded()
    with kept_running(sleeper(62)):
        wait_until(lambda: not survivor.is_running() or survivor.status() == psutil.STATUS_ZOMBIE)
        another, text = recorded(), (tmp_path / "sleeper.pid").read_text()
        (tmp_path / "sleeper.pid").write_text(text.replace("62", "63"))
        with kept_running(sleeper(64)):
            assert another.is_running()
            assert another.status() != psutil.STATUS_ZOMBIE
    first.stop()


def test_a_long_log_is_put_aside_and_only_the_last_one_kept(tmp_path):
    log, aside = tmp_path / "talker.log", tmp_path / "talker.log.1"
    aside.write_text("the one before")
    log.write_text("long" * LOG_AT_MOST)
    command = [sys.executable, "-c", "import time; print('new', flush=True); time.sleep(60)"]
    with kept_running(Child("talker", command, tmp_path, is_ready=lambda: log.read_text() == "new\n")):
        assert aside.read_text().startswith("long")


def test_a_child_that_could_not_be_started_again_is_once_it_can_be(tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    log, record = tmp_path / "sleeper.log", tmp_path / "sleeper.pid"
    with kept_running(Child("sleeper", command, tmp_path, is_ready=lambda: True)):
        pid, _ = json.loads(record.read_text())
        log.unlink()
        log.mkdir()
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        log.rmdir()
        wait_until(lambda: json.loads(record.read_text())[0] != pid, 20)


def test_a_child_that_runs_on_without_working_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(child_process, "WORKS_SECONDS", 0.1)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    record = tmp_path / "sleeper.pid"
    broken = []

    def works() -> bool:
        return json.loads(record.read_text())[0] not in broken

    with kept_running(Child("sleeper", command, tmp_path, is_ready=lambda: True, works=works)):
        broken.append(json.loads(record.read_text())[0])
        wait_until(lambda: not psutil.pid_exists(broken[0]), 20)
        again = wait_until(lambda: [json.loads(record.read_text())[0]] != broken, 20)
        assert again


@pytest.mark.long(10)
def test_the_journal_of_the_store_is_emptied_while_it_runs(tmp_path):
    child, uri = embedded_store(tmp_path)
    with kept_running(child), MongoClient(uri) as client:
        for _ in range(6):
            client.test.much.insert_many({"bytes": os.urandom(1 << 20)} for _ in range(40))
        wait_until(lambda: len(list(tmp_path.glob("store/WiredTigerLog.*"))) <= 2, 30)


@contextmanager
def small_disk(size: str) -> Iterator[tuple[list[str], Path]]:
    """The command with which a program sees a small disk of its own, and the folder it is there."""
    folder = Path(tempfile.mkdtemp())
    mount = f"mount -t tmpfs -o size={size} tmpfs {folder}"
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*alone, mount], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield [*alone, f'{mount} && exec "$@"', "sh"], folder
    folder.rmdir()


def fill(uri: str) -> None:
    """Writes into a store until it takes no more."""
    with MongoClient(uri) as client, contextlib.suppress(PyMongoError):
        while True:
            client.test.full.insert_one({"bytes": bytes(1 << 20)})


@pytest.mark.long(30)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has disks for one program")
def test_a_store_on_a_full_disk_is_down_and_goes_on_once_there_is_room():
    with small_disk("100m") as (command, folder):
        port = free_port()
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "lumira", "run"],
            cwd=ROOT,
            env=variables(LUMIRA_HOME=str(folder / "home"), LUMIRA_PORT=str(port)),
            stderr=subprocess.DEVNULL,
        )
        enter = ["nsenter", "--user", "--mount", "--preserve-credentials", "--target", str(process.pid)]
        url = f"http://127.0.0.1:{port}"
        try:
            first = wait_until(lambda: answers(f"{url}/api/ready") and created(url), 60)
            seen_from_here = Path(f"/proc/{process.pid}/root{folder}")
            fill((seen_from_here / "home" / "store.uri").read_text())
            wait_until(lambda: not answers(f"{url}/api/ready"))
            subprocess.run([*enter, "mount", "-o", "remount,size=500m", folder], check=True)
            second = wait_until(lambda: created(url), 60)
            for order_id in (first, second):
                read = web.get(f"{url}/api/products/orders/{order_id}", headers=HEADERS, timeout=60)
                assert read.status_code == 200
        finally:
            process.terminate()
            process.wait(timeout=40)


def fails(*arguments: str, **environment: str) -> str:
    """What a command that can't start says: one line, exit code 1, no traceback."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=variables(**environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


LUMIRA_RUN = ("-m", "lumira", "run")


@pytest.mark.long(10)
def test_what_keeps_it_from_starting_is_one_line_that_says_what_to_do(tmp_path):
    home = str(tmp_path / "home")
    port = str(free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = str(taken.getsockname()[1])
        said = fails(*LUMIRA_RUN, LUMIRA_HOME=home, LUMIRA_PORT=busy)
        assert re.search(rf"Port {busy} .*LUMIRA_PORT", said)
    (tmp_path / "file").write_text("")
    assert "LUMIRA_HOME" in fails(*LUMIRA_RUN, LUMIRA_HOME=str(tmp_path / "file" / "home"), LUMIRA_PORT=port)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "store").write_text("not a folder")
    assert "store" in fails(*LUMIRA_RUN, LUMIRA_HOME=home, LUMIRA_PORT=port)
    (tmp_path / "other" / "store.log").mkdir(parents=True)
    assert "store.log" in fails(*LUMIRA_RUN, LUMIRA_HOME=str(tmp_path / "other"), LUMIRA_PORT=port)
    (tmp_path / "third" / "desk.port").mkdir(parents=True)
    assert "desk.port" in fails(*LUMIRA_RUN, LUMIRA_HOME=str(tmp_path / "third"), LUMIRA_PORT=port)
    assert "MONGODB_URI" in fails(*LUMIRA_RUN, LUMIRA_HOME=home, LUMIRA_PORT=port, MONGODB_URI="nonsense")
    assert "LUMIRA_ALLOW_LIVE" in fails(*LUMIRA_RUN, LUMIRA_HOME=home, STRIPE_SECRET_KEY="sk_live_1")
    assert "LUMIRA_HOST" in fails(*LUMIRA_RUN, "--demo", LUMIRA_HOME=home, LUMIRA_HOST="0.0.0.0")
    live = {"STRIPE_SECRET_KEY": "sk_live_x", "LUMIRA_ALLOW_LIVE": "1"}
    assert "--demo" in fails(*LUMIRA_RUN, "--demo", LUMIRA_HOME=home, **live)


def test_a_store_that_does_not_start_is_named_with_its_log(tmp_path):
    program = tmp_path / "bin" / "mongod"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho disk on fire >&2\nexit 3\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    said = fails(*LUMIRA_RUN, LUMIRA_HOME=str(tmp_path / "h"), LUMIRA_PORT=str(free_port()), PATH=path)
    assert "disk on fire" in said
    assert "store.log" in said


@pytest.mark.long(10)
def test_a_second_lumira_on_the_same_home_is_refused_and_commands_share_its_store(tmp_path):
    home = tmp_path / "home"
    with running(home):
        said = fails(*LUMIRA_RUN, LUMIRA_HOME=str(home), LUMIRA_PORT=str(free_port()))
        assert "Another Lumira" in said
        seeded = subprocess.run(
            [sys.executable, "-m", "lumira", "seed", "--orders", "30", "--days", "3", "--seed", "5"],
            cwd=ROOT,
            env=variables(LUMIRA_HOME=str(home)),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "30 orders inserted" in seeded.stdout
        with MongoClient((home / "store.uri").read_text()) as client:
            assert client.lumira.productorders.count_documents({}) == 30


def test_whoever_is_to_stop_begins_no_more_work(desk):
    stopped = threading.Event()
    stopped.set()
    background.look_after(desk, stopped)
    assert desk.revenue.followed_until() is None
