"""Tables as files for spreadsheets: CSV and XLSX, row by row, however many rows there are.

Instants are written in the reader's time zone, money as plain numbers in major units with its currency beside
it. French CSV has semicolons and decimal commas, English CSV commas and points: that is what a spreadsheet
set to the language opens by a double click; both are UTF-8 with a mark of it, without which Excel garbles
accents.

A text that a spreadsheet would take for a formula never runs: CSV puts an apostrophe before it
(https://owasp.org/www-community/attacks/CSV_Injection), XLSX says of each cell that it is text.
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, BinaryIO, Final, Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import xlsxwriter

from lumira.money import major_units
from lumira.order_filter import said_by_stripe
from lumira.orders import Order, OrderStatus
from lumira.texts import level_name, translate, translate_or

# A decimal number is money in major units, with the decimals of its currency; an instant is aware.
Cell: TypeAlias = str | int | Decimal | datetime | date | None
Row = TypeVar("Row")

_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CHUNK_ROWS: Final = 500
# How many bytes of an XLSX file, before the rest of it goes to the disk for temporary files.
_IN_MEMORY: Final = 1_000_000
# Excel's own limits: https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3
_SHEET_ROWS: Final = 1_048_576
_CELL_LENGTH: Final = 32_767


class FileFormat(StrEnum):
    """The kinds of file; the value is the file name's ending."""

    CSV = "csv"
    XLSX = "xlsx"

    @property
    def mime(self) -> str:
        """The media type."""
        return {
            FileFormat.CSV: "text/csv; charset=utf-8",
            FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }[self]


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column: its title in the reader's words, what it shows of a row, and its width in characters."""

    title: str
    cell: Callable[[Row], Cell]
    width: int = 14


def write(
    file: BinaryIO,
    kind: FileFormat,
    columns: list[Column[Row]],
    rows: Iterable[Row],
    *,
    language: str,
    zone: ZoneInfo,
) -> int:
    """Writes the rows into a file opened for bytes, and returns how many they were."""
    counted = _Counted(rows)
    if kind is FileFormat.XLSX:
        write_xlsx(file, columns, counted, zone=zone)
    else:
        for chunk in csv_chunks(columns, counted, language=language, zone=zone):
            file.write(chunk)
    return counted.count


def as_bytes(
    kind: FileFormat, columns: list[Column[Row]], rows: Iterable[Row], *, language: str, zone: ZoneInfo
) -> bytes:
    """The file that `write` would write, in memory: for a button that hands it out."""
    file = io.BytesIO()
    write(file, kind, columns, rows, language=language, zone=zone)
    return file.getvalue()


def csv_chunks(
    columns: list[Column[Row]], rows: Iterable[Row], *, language: str, zone: ZoneInfo
) -> Iterator[bytes]:
    """The CSV file in pieces of some hundred rows."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if language == "fr" else ",", lineterminator="\r\n")
    text.write("\ufeff")
    writer.writerow([_csv_cell(column.title, language, zone) for column in columns])
    for number, row in enumerate(rows, start=1):
        writer.writerow([_csv_cell(column.cell(row), language, zone) for column in columns])
        if number % _CHUNK_ROWS == 0:
            yield _taken(text)
    yield _taken(text)


def write_xlsx(file: BinaryIO, columns: list[Column[Row]], rows: Iterable[Row], *, zone: ZoneInfo) -> None:
    """The XLSX file, one row in memory at a time; a sheet that is full is followed by another.

    It is made beside and then copied: where a disk is full, the archive could not be closed.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as made:
        _make_workbook(made, columns, rows, zone)
        made.seek(0)
        shutil.copyfileobj(made, file)
        # What does not fit is told of here, and not as the file is closed.
        file.flush()


def _make_workbook(made: Any, columns: list[Column[Row]], rows: Iterable[Row], zone: ZoneInfo) -> None:
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        # Most files are small; a large one needs the larger form of ZIP.
        "use_zip64": True,
    }
    with xlsxwriter.Workbook(made, options) as workbook:
        bold = workbook.add_format({"bold": True, "bottom": 1})
        patterns: dict[str | int, str] = {"instant": "yyyy-mm-dd hh:mm:ss", "day": "yyyy-mm-dd", 0: "#,##0"}
        patterns |= {digits: "#,##0." + "0" * digits for digits in (1, 2, 3)}
        formats = {kind: workbook.add_format({"num_format": pattern}) for kind, pattern in patterns.items()}

        def new_sheet() -> Any:
            sheet = workbook.add_worksheet()
            sheet.freeze_panes(1, 0)
            for position, column in enumerate(columns):
                sheet.set_column(position, position, column.width)
                sheet.write_string(0, position, _plain(column.title), bold)
            return sheet

        # A file without rows still has its titles.
        sheet, line = new_sheet(), 1
        for row in rows:
            if line == _SHEET_ROWS:
                sheet, line = new_sheet(), 1
            for position, column in enumerate(columns):
                _write_cell(sheet, line, position, column.cell(row), formats, zone)
            line += 1


def order_columns(language: str, zone: ZoneInfo) -> list[Column[Order]]:
    """What a file of orders tells of each, titles and values in `fr` or `en`."""

    def title(name: str) -> str:
        return translate(language, name)

    def worded(name: str, value: str | None) -> str | None:
        return None if value is None else translate_or(language, f"{name}.{value}", value)

    def paid(order: Order, amount: int) -> Decimal | None:
        # Empty unless paid, so that the sum of the column is money that came in.
        return major_units(amount, order.currency) if order.status is OrderStatus.COMPLETED else None

    def in_zone(name: str) -> str:
        return f"{title(name)} ({zone.key})"

    return [
        Column(in_zone("orders.created"), lambda order: order.created_at, 20),
        Column(in_zone("orders.completed"), lambda order: order.counts_at, 20),
        Column(in_zone("orders.last_refund"), lambda order: order.last_refund_at, 20),
        Column(title("orders.level"), lambda order: level_name(language, order.level), 12),
        Column(title("orders.product"), lambda order: order.product_name, 18),
        Column(title("orders.customer"), lambda order: order.name, 24),
        Column(title("order.email"), lambda order: order.address, 30),
        Column(title("orders.amount"), lambda order: major_units(order.amount, order.currency), 11),
        Column(title("orders.refunded"), lambda order: paid(order, order.amount_refunded), 11),
        Column(title("orders.net"), lambda order: paid(order, order.net), 11),
        Column(title("orders.currency"), lambda order: order.currency.upper(), 8),
        Column(title("orders.status"), lambda order: worded("status", str(order.status)), 13),
        Column(
            title("orders.stripe_status"),
            lambda order: worded("stripe_status", said_by_stripe(order)),
            18,
        ),
        Column(
            title("orders.differs"),
            lambda order: title("no" if order.agrees_with_stripe else "yes"),
            9,
        ),
        Column(title("order.failure"), lambda order: worded("failure", order.failure_code), 24),
        Column(title("orders.disputes"), lambda order: len(order.disputes), 9),
        Column(title("order.source"), lambda order: worded("source", order.source or "former"), 14),
        Column(title("order.payment_intent"), lambda order: order.payment_intent_id, 30),
        Column(title("order.id"), lambda order: order.id, 26),
    ]


class _Counted(Generic[Row]):
    """Rows that count themselves as they are taken."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode("utf-8", errors="replace")
    text.seek(0)
    text.truncate()
    return taken


def _csv_cell(value: Cell, language: str, zone: ZoneInfo) -> str:
    match value:
        case None:
            return ""
        case str():
            return f"'{value}" if value.startswith(_FORMULA_BEGINS) else value
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}".replace(".", ",") if language == "fr" else f"{value:f}"
        case _:
            return str(value)


def _write_cell(
    sheet: Any, line: int, position: int, value: Cell, formats: dict[str | int, Any], zone: ZoneInfo
) -> None:
    match value:
        case None:
            return
        case str():
            sheet.write_string(line, position, _plain(value))
        case datetime():
            local = value.astimezone(zone).replace(tzinfo=None)
            sheet.write_datetime(line, position, local, formats["instant"])
        case date():
            sheet.write_datetime(line, position, value, formats["day"])
        case Decimal():
            digits = max(0, -int(value.as_tuple().exponent))
            sheet.write_number(line, position, float(value), formats[min(digits, 3)])
        case _:
            sheet.write_number(line, position, value)


def _plain(text: str) -> str:
    """Text that a file of XML can hold."""
    return text[:_CELL_LENGTH].encode("utf-8", errors="replace").decode()
