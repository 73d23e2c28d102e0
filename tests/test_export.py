"""Files for spreadsheets: what stands in them, that nothing in them runs, and what of it is in memory."""

from __future__ import annotations

import csv
import gc
import io
import re
import sys
import tracemalloc
import zipfile
from contextlib import redirect_stdout
from datetime import UTC, date, datetime
from decimal import Decimal
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from lumira.access import Actor, Role
from lumira.commands import files
from lumira.errors import Forbidden, LumiraError, SettingsError, StoreUnavailable
from lumira.export import Column, FileFormat, csv_chunks, order_columns, write
from lumira.order_filter import OrderFilter, parse_filter
from lumira.orders import Order, OrderStatus
from lumira.refund_export import refund_columns, refunded
from lumira.refunds import Refund
from tests.test_storage import make_order

PARIS = ZoneInfo("Europe/Paris")
DANGEROUS = ["=1+1", "+33612", "-2", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x";"y")', "＝1"]
TEXTS = [Column("title", lambda row: row)]


def read_csv(content: bytes, delimiter: str) -> list[list[str]]:
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def written(kind: FileFormat, columns, rows, language="fr") -> bytes:
    file = io.BytesIO()
    write(file, kind, columns, rows, language=language, zone=PARIS)
    return file.getvalue()


def read_xlsx(content: bytes) -> list[list[tuple[str, str]]]:
    """Each cell of the first sheet as (type, value)."""
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.iterfind(".//x:row", space):
        cells = []
        for cell in row.iterfind("x:c", space):
            assert cell.find("x:f", space) is None
            value = "".join(cell.itertext())
            cells.append(
                (cell.get("t", "n"), re.sub("_x([0-9A-F]{4})_", lambda m: chr(int(m[1], 16)), value))
            )
        rows.append(cells)
    return rows


def test_an_export_that_fails_leaves_the_file_of_before(tmp_path):
    out = tmp_path / "orders.csv"
    out.write_text("yesterday's")
    out.chmod(0o640)

    def rows():
        yield "half of "
        raise StoreUnavailable("The store is away.")

    with pytest.raises(StoreUnavailable), files.written(out) as file:
        write(file, FileFormat.CSV, TEXTS, rows(), language="fr", zone=PARIS)
    assert (out.read_text(), list(tmp_path.iterdir())) == ("yesterday's", [out])
    with files.written(out) as file:
        file.write(b"today's")
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("today's", 0o640)
    # A copy of a person's data is that person's alone, whatever stood there.
    with files.written(out, private=True) as file:
        file.write(b"hers")
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("hers", 0o600)


def test_an_export_follows_a_link_and_says_what_cannot_be_written(tmp_path):
    (tmp_path / "shared").mkdir()
    out = tmp_path / "orders.csv"
    out.symlink_to(tmp_path / "shared" / "orders.csv")
    with files.written(out) as file:
        file.write(b"today's")
    assert (out.is_symlink(), (tmp_path / "shared" / "orders.csv").read_text()) == (True, "today's")
    with pytest.raises(SettingsError, match="can't be written"), files.written(tmp_path / "no" / "a.csv"):
        pass
    with (
        open("/dev/full", "w") as full,
        redirect_stdout(full),
        pytest.raises(SettingsError, match="The output can't be written: No space"),
        files.written(None) as file,
    ):
        file.write(b"today's")


def test_a_full_disk_is_told_of_once(monkeypatch):
    """What was left to be closed at the end would fail, and be told of, once more."""
    told_again = []
    monkeypatch.setattr(sys, "unraisablehook", told_again.append)
    with pytest.raises(OSError, match="No space"), open("/dev/full", "wb") as full:
        write(full, FileFormat.XLSX, TEXTS, map(str, range(20_000)), language="fr", zone=PARIS)
    gc.collect()
    assert told_again == []


def test_a_file_of_refunds_has_one_row_each_and_only_those_of_the_period():
    def made(number: int, month: int, day: int, amount: int, status: str = "succeeded") -> Refund:
        at = datetime(2026, month, day, 23, 30, tzinfo=UTC)
        return Refund(id=f"re_{number}", amount=amount, status=status, reason="duplicate", created_at=at)

    # The last evening of September in UTC is the first of October in Paris.
    refunds = [made(1, 9, 29, 100), made(2, 9, 30, 200), made(3, 10, 30, 400), made(4, 10, 31, 800)]
    refunds.append(made(5, 10, 10, 1600, "failed"))
    paid = {"status": OrderStatus.COMPLETED, "amount": 6700}
    order = make_order(**paid, refunds=refunds, amount_refunded=1500)
    # Stripe shows what it releases of a payment that was never captured as a refund; Revenue has none.
    released = make_order(**paid | {"status": OrderStatus.CANCELLED}, refunds=[made(6, 10, 10, 6700)])
    october = parse_filter({"date": "refunded", "from": "2026-10-01", "to": "2026-10-31"})
    for wanted, ids in (
        (october, ["re_2", "re_3"]),
        (parse_filter({"refunded": "yes", "from": "2026-10-01"}), ["re_1", "re_2", "re_3", "re_4"]),
    ):
        rows = list(refunded([order, released], wanted, PARIS))
        assert [row.refund.id for row in rows] == ids
    [head, first, _] = read_csv(
        written(FileFormat.CSV, refund_columns("fr", PARIS), refunded([order], october, PARIS)), ";"
    )
    assert head[:2] == ["Remboursé le (Europe/Paris)", "Remboursé"]
    assert first[:5] == ["2026-10-01 01:30:00", "2,00", "EUR", "remboursé", "C’était un doublon"]
    assert first[-3:] == ["re_2", "", order.id]


def test_what_nobody_paid_adds_nothing_to_the_net():
    paid = {"status": OrderStatus.COMPLETED, "amount_refunded": 1200}
    orders = [make_order(**paid), make_order(), make_order(status=OrderStatus.FAILED)]
    # Never captured, and released.
    orders.append(make_order(status=OrderStatus.CANCELLED, amount_refunded=4700))
    head, *lines = read_csv(written(FileFormat.CSV, order_columns("en", PARIS), orders, "en"), ",")
    columns = [head.index(name) for name in ("Amount", "Refunded", "Net")]
    assert [[line[column] for column in columns] for line in lines] == [
        ["47.00", "12.00", "35.00"],
        *([["47.00", "", ""]] * 3),
    ]


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_text_runs_as_a_formula(text):
    [_, [cell]] = read_csv(written(FileFormat.CSV, TEXTS, [text]), ";")
    assert cell == f"'{text}"
    [_, [(kind, value)]] = read_xlsx(written(FileFormat.XLSX, TEXTS, [text]))
    assert kind == "inlineStr"
    assert value == text


@pytest.mark.parametrize("text", ["Zoé 🌙", 'a;b,"c"', "two\nlines", "l’été", "\ud83d"])
def test_any_text_survives(text):
    readable = text.encode(errors="replace").decode()
    for kind, read in (
        (FileFormat.CSV, lambda c: read_csv(c, ";")[1][0]),
        (FileFormat.XLSX, lambda c: read_xlsx(c)[1][0][1]),
    ):
        assert read(written(kind, TEXTS, [text])) == readable


def test_numbers_are_numbers_and_instants_are_the_readers():
    values = [
        Column("a", lambda _: Decimal("47.00")),
        Column("b", lambda _: Decimal("500")),
        Column("c", lambda _: 3),
        Column("d", lambda _: datetime(2026, 7, 1, 22, 30, tzinfo=UTC)),
        Column("e", lambda _: date(2026, 7, 2)),
        Column("f", lambda _: None),
    ]
    french = read_csv(written(FileFormat.CSV, values, [1]), ";")[1]
    assert french == ["47,00", "500", "3", "2026-07-02 00:30:00", "2026-07-02", ""]
    english = read_csv(written(FileFormat.CSV, values, [1], "en"), ",")[1]
    assert english[:2] == ["47.00", "500"]
    cells = read_xlsx(written(FileFormat.XLSX, values, [1]))[1]
    assert [kind for kind, _ in cells] == ["n"] * 5
    assert [float(value) for _, value in cells][:3] == [47, 500, 3]


def test_a_file_without_rows_has_its_head():
    assert read_csv(written(FileFormat.CSV, TEXTS, []), ";") == [["title"]]
    assert read_xlsx(written(FileFormat.XLSX, TEXTS, [])) == [[("inlineStr", "title")]]


def test_a_file_that_is_written_in_pieces_has_every_row_once():
    rows = [f"row {number}" for number in range(2_500)]
    assert len(list(csv_chunks(TEXTS, rows, language="fr", zone=PARIS))) > 2
    assert read_csv(written(FileFormat.CSV, TEXTS, rows), ";") == [["title"], *([row] for row in rows)]


def test_rows_are_not_kept_in_memory():
    rows = (f"row {number} " + "x" * 1000 for number in range(20_000))
    tracemalloc.start()
    for _ in csv_chunks(TEXTS, rows, language="fr", zone=PARIS):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize("query", [{}, {"status": "failed"}, {"q": "zoe", "sort": "amount"}])
def test_an_export_is_what_the_filter_selects(desk, admin, query):
    desk.orders.insert_many(
        [
            make_order(
                customer_name=["Zoé", "=Léa"][number % 2],
                status=["failed", "pending"][number % 3 == 0],
                amount=number,
                payment_intent_id=f"pi_{number}",
            )
            for number in range(30)
        ]
    )
    wanted = parse_filter(query)
    page = desk.order_list.page(wanted, 100, actor=admin).orders
    columns = order_columns("fr", PARIS)
    rows = read_csv(
        written(FileFormat.CSV, columns, desk.order_list.export(wanted, kind="csv", actor=admin)), ";"
    )
    assert [row[-1] for row in rows[1:]] == [order.id for order in page]
    assert len({len(row) for row in rows}) == 1


def test_each_export_stands_in_the_audit_log_once_with_who_took_what(desk, documents, admin):
    desk.orders.insert_many(
        [make_order(status="failed", payment_intent_id=f"pi_{number}") for number in range(3)]
    )
    wanted = parse_filter({"status": "failed"})
    orders = list(desk.order_list.export(wanted, kind="xlsx", actor=admin))
    list(desk.order_list.export(wanted, orders[:1], kind="csv", actor=admin))
    cut_short = desk.order_list.export(wanted, kind="csv", actor=admin)
    next(cut_short)
    cut_short.close()
    desk.revenue.export([{"currency": "eur"}], date(2026, 11, 1), date(2026, 11, 2), kind="csv", actor=admin)
    entries = list(documents.audit_entries.find())
    assert {(entry["actor"], entry["role"]) for entry in entries} == {(admin.name, "admin")}
    query = {"status": "failed"}
    assert [(entry["action"], entry["after"]) for entry in entries] == [
        ("export_orders", {"filter": query, "format": "xlsx", "rows": 3}),
        ("export_orders", {"filter": query, "format": "csv", "rows": 1, "order_ids": [orders[0].id]}),
        ("export_orders", {"filter": query, "format": "csv", "rows": 1}),
        (
            "export_revenue",
            {"from": "2026-11-01", "to": "2026-11-02", "currencies": ["eur"], "format": "csv", "rows": 1},
        ),
    ]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_order_of_the_former_program_can_be_exported(desk, documents, admin, language):
    at = datetime(2025, 3, 1, 10, tzinfo=UTC)
    documents.productorders.insert_one(
        {
            "productId": "gift",
            "amount": 500,
            "currency": "jpy",
            "status": "completed",
            "createdAt": at,
            "updatedAt": at,
        }
    )
    [order] = desk.order_list.export(parse_filter({"date": "completed"}), kind="csv", actor=admin)
    told = [column.cell(order) for column in order_columns(language, PARIS)]
    assert Decimal("500") in told
    # Created and completed, as the filter that found it has it.
    assert told[:3] == [at, at, None]
    assert isinstance(order, Order)


def test_listing_and_refreshing_need_their_permissions(desk, monkeypatch):
    from lumira import access

    monkeypatch.setitem(access.PERMISSIONS, Role.STAFF, frozenset())
    nobody = Actor("max", Role.STAFF)
    for asked in (
        lambda: desk.order_list.page(OrderFilter(), 10, actor=nobody),
        lambda: desk.order_list.export(OrderFilter(), kind="csv", actor=nobody),
        lambda: desk.order_list.count(OrderFilter(), actor=nobody),
        lambda: list(desk.order_list.refresh(["x"], actor=nobody)),
        lambda: desk.views.all(actor=nobody),
    ):
        with pytest.raises(Forbidden):
            asked()


def test_the_command_exports_what_a_filter_selects(desk, documents, monkeypatch, capsysbinary, tmp_path):
    desk.orders.insert_many([make_order(status=status, amount=700) for status in ("failed", "pending")])
    settings = desk.settings
    for name, value in (
        ("MONGODB_URI", settings.mongodb_uri.get_secret_value()),
        ("MONGODB_DB", settings.mongodb_db),
        ("STRIPE_SECRET_KEY", "sk_test_of_the_tests"),
        ("STRIPE_API_BASE", settings.stripe_api_base),
        ("LUMIRA_HOME", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    from typer.testing import CliRunner

    from lumira.cli import app

    def run(*arguments: str, what: str = "orders"):
        return CliRunner().invoke(app, ["export", what, *arguments])

    answer = run("--filter", "status=failed", "--language", "en")
    head, row = read_csv(answer.stdout_bytes, ",")
    assert (head[7], row[7], row[11]) == ("Amount", "7.00", "Failed")
    file = tmp_path / "orders.xlsx"
    assert "2 orders exported." in run("--out", str(file)).stderr
    assert len(read_xlsx(file.read_bytes())) == 3
    nowhere = str(tmp_path / "nowhere" / "orders.csv")
    for wrong in (
        ["--filter", "state=failed"],
        ["--filter", "status=paid"],
        ["--out", "x.pdf"],
        ["--out", nowhere],
    ):
        assert isinstance(run(*wrong).exception, LumiraError), wrong
    # What left before the disk was full has left.
    desk.orders.insert_many([make_order(status="failed", amount=700) for _ in range(600)])
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    documents.audit_entries.delete_many({})
    answer = run("--filter", "status=failed", "--out", str(full))
    assert isinstance(answer.exception, SettingsError)
    [told] = documents.audit_entries.find()
    assert (told["action"], told["after"]["rows"] >= 500) == ("export_orders", True)
    # And so does who took the log itself.
    for _ in range(2):
        answer = run("--language", "en", "--since", "2026-11-01", "--by", "command line", what="audit")
    assert "2 entries exported." in answer.stderr
    head, first, second = read_csv(answer.stdout_bytes, ",")
    assert (head[3], first[3], second[3]) == ("Action", "Audit log exported", "Orders exported")
    for wrong in (["--action", "shine"], ["--since", "yesterday"]):
        assert isinstance(run(*wrong, what="audit").exception, LumiraError), wrong
