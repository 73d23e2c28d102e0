"""`lumira backup` and `lumira restore`, on real stores."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from contextlib import closing
from urllib.parse import urlsplit

import bson
import pytest
from bson.codec_options import CodecOptions
from typer.testing import CliRunner

from lumira import serving
from lumira.access import Actor, Role
from lumira.cli import app
from lumira.embedded import running
from lumira.errors import BackupUnreadable, SettingsError, StoreNotEmpty, StoreUnavailable
from lumira.seed import insert_orders
from lumira.settings import load_settings
from lumira.storage import Store
from lumira.storage.backup import LEFT_OUT, back_up, restore
from tests.conftest import NO_STORE, opened
from tests.store_gate import Fate, gate

ADMIN = Actor("tests", Role.ADMIN)


@pytest.fixture
def other(settings):
    """An empty store beside the desk's."""
    with opened(settings.model_copy(update={"mongodb_db": f"{settings.mongodb_db}_other"})) as desk:
        yield desk
        desk.store.database.client.drop_database(desk.store.database)


@pytest.fixture
def filled(desk, documents):
    """A desk with everything in it that a backup has to keep, and what it must not."""
    insert_orders(desk, orders=60, days=40, seed=3)
    desk.staff.add("odile@example.com", Role.ADMIN, password="quatre tirages sous la lune", actor=ADMIN)
    desk.sessions.sign_in_by_identity("odile@example.com", address="", device="")
    desk.tokens.create("checkout", actor=ADMIN)
    # As the program before ours wrote it, with types of its own.
    former = {"amount": bson.Int64(4700), "odd": {"deep": [1, None]}, "at": bson.Timestamp(1, 1)}
    documents.order_notes.insert_one(former)
    return desk


def everything(desk) -> dict[str, list]:
    names = {*desk.store.database.list_collection_names()} - LEFT_OUT
    found = {name: sorted(map(repr, desk.store.database[name].find())) for name in names}
    return {name: rows for name, rows in found.items() if rows}


@pytest.mark.long(10)
def test_what_is_restored_is_what_was_backed_up(filled, other, tmp_path):
    # More than are read and written in one go.
    insert_orders(filled, orders=2_440, days=40, seed=4)
    file = tmp_path / "b.zip"
    counts = back_up(filled.store.database, file)
    assert counts["productorders"] == 2_500
    assert "sessions" not in counts
    assert restore(other.store.database, file) == counts
    assert everything(other) == everything(filled)
    assert list(other.store.database.sessions.find()) == []
    other.revenue.rebuild(actor=ADMIN)
    assert other.revenue.verify(actor=ADMIN)[0] == []
    assert file.stat().st_mode & 0o077 == 0


def test_of_every_order_in_a_backup_the_audit_log_tells_who_made_it(settings, desk, store_uri, tmp_path):
    def fate(command):
        if command == "find":
            # Somebody at the desk, before each collection is read.
            desk.intents.create({"productId": "initie"}, actor=ADMIN, source="tests")
        return Fate.PASSES

    with gate(urlsplit(store_uri).port, fate) as uri, closing(Store(uri, settings.mongodb_db)) as store:
        back_up(store.database, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        orders = bson.decode_all(archive.read("productorders.bson"))
        told = {entry["order_id"] for entry in bson.decode_all(archive.read("audit_entries.bson"))}
    assert orders
    assert {str(order["_id"]) for order in orders} <= told


def test_mongorestore_reads_the_same_file(filled, tmp_path):
    back_up(filled.store.database, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        orders = bson.decode_all(archive.read("productorders.bson"), CodecOptions(tz_aware=True))
    stored = filled.store.database.productorders.find()
    assert {order["_id"]: order for order in orders} == {order["_id"]: order for order in stored}


def test_what_was_written_before_there_was_a_validator_is_restored_too(
    desk, documents, other, store_uri, tmp_path
):
    insert_orders(desk, orders=3, days=1, seed=9)
    spoilt = {"productId": "mystique", "amount": "47.00", "status": "paid"}
    documents.productorders.insert_one(spoilt, bypass_document_validation=True)
    counts = back_up(documents, tmp_path / "b.zip")
    other.store.prepare()
    # The role readWrite has no right to pass a validator by, and each collection is written in one go.
    updates = iter([*(Fate.PASSES for name in counts if counts[name]), Fate.REFUSED])
    with (
        gate(
            urlsplit(store_uri).port, lambda name: next(updates) if name == "update" else Fate.PASSES
        ) as uri,
        closing(Store(uri, other.store.database.name)) as store,
        pytest.raises(SettingsError, match="bypassDocumentValidation"),
    ):
        restore(store.database, tmp_path / "b.zip")
    restore(other.store.database, tmp_path / "b.zip")
    assert everything(other) == everything(desk)


def test_a_store_that_is_not_empty_is_left_as_it_is(filled, other, tmp_path):
    back_up(filled.store.database, tmp_path / "b.zip")
    insert_orders(other, orders=3, days=1, seed=9)
    before = everything(other)
    with pytest.raises(StoreNotEmpty, match="empty"):
        restore(other.store.database, tmp_path / "b.zip")
    assert everything(other) == before


def test_a_restore_that_was_killed_can_be_begun_again(filled, other, tmp_path, documents):
    file = tmp_path / "b.zip"
    back_up(filled.store.database, file)
    restore(other.store.database, file)
    # As a kill leaves it: the mark stands, and part of the documents.
    mark = other.store.database.restores
    with pytest.raises(StoreNotEmpty):
        restore(other.store.database, file)
    other.store.database.productorders.delete_many({"status": "completed"})
    with zipfile.ZipFile(file) as archive:
        manifest = archive.read("backup.json")
    mark.insert_one({"_id": _mark(manifest)})
    # Until then nobody works on a part of the store, and no night keeps it as a backup.
    with pytest.raises(SettingsError, match="cut short"), serving.opened(other.settings, lambda *_: None):
        pass
    told = {
        "MONGODB_URI": other.settings.mongodb_uri.get_secret_value(),
        "MONGODB_DB": other.settings.mongodb_db,
        "LUMIRA_HOME": str(tmp_path / "home"),
    }
    asked = CliRunner().invoke(app, ["backup", str(tmp_path / "c.zip")], env=told)
    assert isinstance(asked.exception, SettingsError)
    assert "cut short" in asked.exception.message
    restore(other.store.database, file)
    assert everything(other) == everything(filled)
    assert mark.find_one() is None
    # A desk that nobody stopped took a webhook of one of its orders in the meantime.
    other.store.prepare()
    mark.insert_one({"_id": _mark(manifest)})
    orders = other.store.database.productorders
    taken = orders.find_one_and_delete({"paymentIntentId": {"$gt": ""}})
    orders.insert_one({**taken, "_id": bson.ObjectId()})
    with pytest.raises(StoreNotEmpty, match=r"(?s)productorders.*Stop every Lumira"):
        restore(other.store.database, file)
    # Nobody works on it, either.
    with pytest.raises(SettingsError, match="cut short"):
        other.store.check_whole()


def _mark(manifest: bytes) -> str:
    wanted = json.loads(manifest)["collections"]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("damage", ["cut", "changed", "no zip", "another format", "one bit"])
def test_a_damaged_file_is_refused_before_anything_is_written(filled, other, tmp_path, damage):
    file = tmp_path / "b.zip"
    back_up(filled.store.database, file)
    if damage in {"cut", "no zip"}:
        file.write_bytes(file.read_bytes()[:-5000] if damage == "cut" else b"nothing of the kind")
    elif damage == "one bit":
        with zipfile.ZipFile(file) as archive:
            held = archive.getinfo("productorders.bson")
        whole = bytearray(file.read_bytes())
        # Behind the local header (30 bytes, the name, 20 of ZIP64): a kind of block that does not exist.
        whole[held.header_offset + 30 + len(held.filename) + 20] |= 0b110
        file.write_bytes(whole)
    else:
        with zipfile.ZipFile(file) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
        if damage == "changed":
            held["productorders.bson"] = held["productorders.bson"].replace(b"completed", b"cancelled")
        else:
            held["backup.json"] = held["backup.json"].replace(b'"format": 1', b'"format": 2')
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in held.items():
                archive.writestr(name, content)
    with pytest.raises(BackupUnreadable):
        restore(other.store.database, file)
    assert everything(other) == {}


def test_a_store_that_is_away_leaves_no_half_file(settings, tmp_path):
    away = Store(NO_STORE)
    with pytest.raises(StoreUnavailable):
        back_up(away.database, tmp_path / "b.zip")
    away.close()
    assert list(tmp_path.glob("*.zip*")) == list(tmp_path.glob(".*")) == []


def test_a_backup_is_private_while_it_is_written_and_leaves_another_alone(filled, tmp_path, monkeypatch):
    of_another = tmp_path / ".b.zip.part"
    of_another.write_bytes(b"of one that was killed, or goes on")
    modes: list[int] = []
    writestr = zipfile.ZipFile.writestr

    def noting(archive, *arguments):
        modes.extend(path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path != of_another)
        return writestr(archive, *arguments)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", noting)
    back_up(filled.store.database, tmp_path / "b.zip")
    assert modes == [0]
    assert {path.name for path in tmp_path.iterdir()} == {"b.zip", of_another.name}


def test_what_is_no_file_is_not_restored(tmp_path):
    answer = CliRunner().invoke(app, ["restore", str(tmp_path)], env={"LUMIRA_HOME": str(tmp_path / "home")})
    assert isinstance(answer.exception, BackupUnreadable)
    assert str(tmp_path) in answer.exception.message


def test_a_backup_of_a_store_that_is_not_there_is_refused(tmp_path):
    """Whoever forgets LUMIRA_HOME would get an empty backup that looks like one."""
    file = tmp_path / "lumira.zip"
    done = CliRunner().invoke(app, ["backup", str(file)], env={"LUMIRA_HOME": str(tmp_path / "elsewhere")})
    assert isinstance(done.exception, SettingsError)
    assert "There is no store under" in done.exception.message
    assert not file.exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write what is another user's")
def test_root_leaves_the_home_of_another_user_alone(tmp_path):
    """What root writes into a store, the service could never open again."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    with pytest.raises(SettingsError, match="belongs to the user 65534"), running(load_settings(home=home)):
        pytest.fail("it began to write there")
    assert list(home.iterdir()) == []
