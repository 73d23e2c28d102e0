"""A month as a file one can keep: XLSX to work with, PDF to sign and put away."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import xlsxwriter
from babel.dates import format_date

from lumira.money import format_money, major_units
from lumira.month_figures import BALANCE_LINES, LateChange, Line, MonthFigures, OrderDifference
from lumira.texts import counting_name, level_name, translate, written_moment

_GOLD: Final = (138, 105, 20)
_INK: Final = (42, 33, 24)
_QUIET: Final = (107, 95, 82)


def month_name(month: str, language: str) -> str:
    """`2026-10` in words: octobre 2026."""
    return format_date(date.fromisoformat(f"{month}-01"), "MMMM y", locale=language)


def level_title(level: str, language: str) -> str:
    """The name of a level, of all levels together, or of one we don't know."""
    return translate(language, "revenue.total") if level == "total" else level_name(language, level)


def line_titles(language: str) -> list[str]:
    """What a line of a month shows, in words."""
    names = ("orders.level", "orders.currency", "revenue.orders", "month.gross", "month.stripe_gross")
    more = ("month.refunds", "month.stripe_refunds", "month.net", "month.stripe_net", "month.difference")
    return [translate(language, name) for name in (*names, *more)]


def line_amounts(line: Line) -> list[int]:
    """The amounts of a line in minor units, in the order of `line_titles` from the gross on."""
    return [
        line.gross,
        line.stripe_gross,
        line.refunds,
        line.stripe_refunds,
        line.net,
        line.stripe_net,
        line.difference,
    ]


def cause(found: OrderDifference, language: str) -> str:
    """Why an order differs, in words; nothing where the month was closed before that was told."""
    return translate(language, f"month.cause.{found.cause}") if found.cause else ""


def as_xlsx(figures: MonthFigures, late: Sequence[LateChange], *, language: str, zone: ZoneInfo) -> bytes:
    """A workbook of three sheets: the levels, the differences by order, and Stripe's balance."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        add_sheet = _sheets(book)
        levels = add_sheet(
            translate(language, "month.sheet"),
            line_titles(language),
            _level_rows(figures, language, major_units),
            top=4,
        )
        strong = book.add_format({"bold": True})
        for number, sentence in enumerate(sentences(figures, late, language=language, zone=zone)):
            levels.write_string(number, 0, sentence, strong if number == 0 else None)
        names = ("difference.what", "orders.level", "orders.currency", "month.ours", "month.stripes")
        add_sheet(
            translate(language, "month.sheet.differences"),
            [
                *(translate(language, name) for name in (*names, "month.difference")),
                "PaymentIntent",
                translate(language, "order.id"),
                translate(language, "month.cause"),
            ],
            [
                [translate(language, f"month.kind.{found.kind}"), level_title(found.level, language)]
                + [found.currency.upper()]
                + [
                    major_units(amount, found.currency)
                    for amount in (found.ours, found.stripes, found.ours - found.stripes)
                ]
                + [found.payment_intent_id or "", found.order_id or "", cause(found, language)]
                for found in figures.differences
            ],
        )
        add_sheet(
            translate(language, "month.sheet.balance"),
            _balance_titles(figures, language),
            _balance_rows(figures, language, major_units),
        )
    return file.getvalue()


def as_pdf(figures: MonthFigures, late: Sequence[LateChange], *, language: str, zone: ZoneInfo) -> bytes:
    """A page to file: who closed the month and when, the levels, Stripe's balance, the differences."""

    def text(name: str) -> str:
        return translate(language, name)

    def money(amount: int, currency: str) -> str:
        return format_money(amount, currency, language)

    document = _Document(figures)
    first, *rest = sentences(figures, late, language=language, zone=zone)
    document.write(f"Oracle Lumira · {first}", 19, _INK, "B")
    document.space(1.5)
    for sentence in rest:
        document.write(sentence, 9.5, _QUIET)
    document.space(4)
    widths = (15, 9, 13, 15, 15, 14, 14, 15, 15, 14)
    document.table(line_titles(language), _level_rows(figures, language, money), 2, widths)
    document.heading(text("month.sheet.balance"))
    document.table(
        _balance_titles(figures, language),
        _balance_rows(figures, language, money),
        1,
        (40, *(20 for _ in figures.balances)),
        60 + 35 * len(figures.balances),
    )
    if figures.differences:
        document.heading(text("month.sheet.differences"))
        names = ("difference.what", "orders.level", "month.ours", "month.stripes", "month.cause")
        document.table(
            [*map(text, names), "PaymentIntent", text("order.id")],
            [
                [text(f"month.kind.{found.kind}"), level_title(found.level, language)]
                + [money(amount, found.currency) for amount in (found.ours, found.stripes)]
                + [cause(found, language), found.payment_intent_id or "-", found.order_id or "-"]
                for found in figures.differences
            ],
            2,
            (13, 11, 12, 13, 34, 31, 27),
        )
    document.space(10)
    document.write(text("month.signature"), 9.5, _QUIET)
    return document.written()


def _level_rows(
    figures: MonthFigures, language: str, money: Callable[[int, str], Decimal | str]
) -> list[list[Any]]:
    """The lines of the levels and of each currency's total, their amounts as `money` writes them."""
    return [
        [level_title(line.level, language), line.currency.upper(), line.orders]
        + [money(amount, line.currency) for amount in line_amounts(line)]
        for line in [*figures.lines, *figures.totals()]
    ]


def _balance_titles(figures: MonthFigures, language: str) -> list[str]:
    return [translate(language, "month.movement"), *(one.currency.upper() for one in figures.balances)]


def _balance_rows(
    figures: MonthFigures, language: str, money: Callable[[int, str], Decimal | str]
) -> list[list[Any]]:
    return [
        [translate(language, f"month.balance.{line}")]
        + [money(balance.amount(line), balance.currency) for balance in figures.balances]
        for line in BALANCE_LINES
    ]


def _sheets(book: Any) -> Callable[..., Any]:
    """What adds a sheet to a workbook: its name, its titles, on line `top` from 0, and rows under them."""
    bold = book.add_format({"bold": True, "bottom": 1})
    patterns = {
        digits: book.add_format({"num_format": "#,##0" + ("." + "0" * digits if digits else "")})
        for digits in (0, 2, 3)
    }

    def add(name: str, titles: Sequence[str], rows: Sequence[Sequence[Any]], *, top: int = 0) -> Any:
        sheet = book.add_worksheet(name)
        for column, title in enumerate(titles):
            sheet.set_column(column, column, max(14, len(title) + 2))
            sheet.write_string(top, column, title, bold)
        for number, row in enumerate(rows, start=top + 1):
            for column, value in enumerate(row):
                if isinstance(value, Decimal):
                    digits = max(0, -int(value.as_tuple().exponent))
                    sheet.write_number(number, column, float(value), patterns[digits])
                elif isinstance(value, int):
                    sheet.write_number(number, column, value)
                else:
                    sheet.write_string(number, column, value)
        return sheet

    return add


class _Document:
    """A PDF in the house's colours: sentences, headings and tables, one under the other."""

    def __init__(self, figures: MonthFigures) -> None:
        # Here, because only who asks for a file needs it.
        from fpdf import FPDF
        from fpdf.fonts import FontFace

        self._pdf = FPDF(orientation="landscape", format="A4")
        # The fonts every reader has know the Windows code page: accents, € and the apostrophe.
        self._pdf.core_fonts_encoding = "cp1252"
        self._pdf.set_title(f"Lumira {figures.month}")
        self._pdf.set_creation_date(figures.made_at)
        self._pdf.set_margin(16)
        self._pdf.set_auto_page_break(auto=True, margin=16)
        self._pdf.add_page()
        self._pdf.set_draw_color(*_GOLD)
        self._head = FontFace(emphasis="BOLD", color=_GOLD)

    def space(self, millimetres: float) -> None:
        """Leaves room."""
        self._pdf.ln(millimetres)

    def write(self, sentence: str, size: float, colour: tuple[int, int, int], style: str = "") -> None:
        """Writes a sentence, `size` in points; `style` as FPDF names it, `B` for bold."""
        self._pdf.set_font("Times" if size > 12 else "Helvetica", style, size)
        self._pdf.set_text_color(*colour)
        self._pdf.multi_cell(0, size * 0.52, _plain(sentence), new_x="LMARGIN", new_y="NEXT")

    def heading(self, title: str) -> None:
        """Writes the title of a table."""
        self.space(6)
        self.write(title, 13, _INK, "B")
        self.space(1)

    def table(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[object]],
        left: int,
        widths: Sequence[int],
        width: int | None = None,
    ) -> None:
        """Draws a table, its first `left` columns to the left; `widths` are shares of `width` (mm), or of the
        page.
        """
        self._pdf.set_font("Helvetica", "", 8.5)
        self._pdf.set_text_color(*_INK)
        with self._pdf.table(
            headings_style=self._head,
            text_align=tuple("LEFT" if place < left else "RIGHT" for place in range(len(titles))),
            borders_layout="HORIZONTAL_LINES",
            line_height=5.6,
            col_widths=tuple(widths),
            width=width,
            align="LEFT",
        ) as drawn:
            for cells in (titles, *rows):
                drawn.row([_plain(str(cell)) for cell in cells])

    def written(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())


def sentences(
    figures: MonthFigures, late: Sequence[LateChange], *, language: str, zone: ZoneInfo
) -> list[str]:
    """What stands above the figures: the month, its state, and what came late."""
    at = written_moment(figures.made_at, language, zone)
    state = (
        translate(language, "month.closed_by", by=figures.closed_by, at=at)
        if figures.is_closed
        else translate(language, "month.open_at", at=at)
    )
    count = figures.difference_count
    name = counting_name(language, "month.differences", count) if count else "month.differences.none"
    found = [
        translate(language, "month.file_title", month=month_name(figures.month, language)),
        f"{state} {translate(language, 'month.days', zone=zone.key)}",
        translate(language, name, count=count),
    ]
    if late:
        name = counting_name(language, "month.late", len(late))
        found.append(translate(language, name, count=len(late)))
    return found


def _plain(sentence: str) -> str:
    """Text that the code page of the standard fonts can write."""
    narrow = sentence.replace("\u202f", "\u00a0").replace("\u2212", "-")
    return narrow.encode("cp1252", errors="replace").decode("cp1252")
