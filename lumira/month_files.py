"""A month as a file one can keep: XLSX to work with, PDF to sign and put away."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import xlsxwriter
from babel.dates import format_date

from lumira.money import format_money, major_units
from lumira.month_figures import KINDS, LateChange, Line, MonthFigures, OrderDifference
from lumira.texts import level_name, translate, written_moment

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
        *(line.gross, line.stripe_gross, line.refunds, line.stripe_refunds),
        *(line.net, line.stripe_net, line.difference),
    ]


def cause(found: OrderDifference, language: str) -> str:
    """Why an order differs, in words; nothing where the month was closed before that was told."""
    return translate(language, f"month.cause.{found.cause}") if found.cause else ""


def as_xlsx(figures: MonthFigures, late: Sequence[LateChange], *, language: str, zone: ZoneInfo) -> bytes:
    """A workbook of three sheets: the levels, the differences by order, and Stripe's balance."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        strong = book.add_format({"bold": True})
        patterns = {
            digits: book.add_format({"num_format": "#,##0" + ("." + "0" * digits if digits else "")})
            for digits in (0, 2, 3)
        }

        def sheet_of(name: str, titles: Sequence[str], rows: Sequence[Sequence[Any]], top: int = 0) -> Any:
            sheet = book.add_worksheet(translate(language, name))
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

        lines = [*figures.lines, *figures.totals()]
        sheet = sheet_of(
            "month.sheet",
            line_titles(language),
            [
                [level_title(line.level, language), line.currency.upper(), line.orders]
                + [major_units(amount, line.currency) for amount in line_amounts(line)]
                for line in lines
            ],
            top=4,
        )
        for number, sentence in enumerate(sentences(figures, late, language=language, zone=zone)):
            sheet.write_string(number, 0, sentence, strong if number == 0 else None)
        names = ("difference.what", "orders.level", "orders.currency", "month.ours", "month.stripes")
        sheet_of(
            "month.sheet.differences",
            [
                *(translate(language, name) for name in (*names, "month.difference")),
                *("PaymentIntent", translate(language, "order.id"), translate(language, "month.cause")),
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
        sheet_of(
            "month.sheet.balance",
            [translate(language, "month.movement"), *(b.currency.upper() for b in figures.balances)],
            [
                [translate(language, f"month.balance.{kind}")]
                + [
                    major_units(
                        balance.earned if kind == "earned" else balance.amounts[kind], balance.currency
                    )
                    for balance in figures.balances
                ]
                for kind in (*KINDS[:-1], "earned", KINDS[-1])
            ],
        )
    return file.getvalue()


def as_pdf(figures: MonthFigures, late: Sequence[LateChange], *, language: str, zone: ZoneInfo) -> bytes:
    """A page to file: who closed the month and when, the levels, Stripe's balance, the differences."""
    # Here, because only who asks for a file needs it.
    from fpdf import FPDF
    from fpdf.fonts import FontFace

    def text(name: str, **values: object) -> str:
        return _plain(translate(language, name, **values))

    pdf = FPDF(orientation="landscape", format="A4")
    # The fonts every reader has know the Windows code page: accents, € and the apostrophe.
    pdf.core_fonts_encoding = "cp1252"
    pdf.set_title(f"Lumira {figures.month}")
    pdf.set_creation_date(figures.made_at)
    pdf.set_margin(16)
    pdf.set_auto_page_break(auto=True, margin=16)
    pdf.add_page()
    pdf.set_draw_color(*_GOLD)
    head = FontFace(emphasis="BOLD", color=_GOLD)

    def write(sentence: str, size: float, colour: tuple[int, int, int] = _INK, style: str = "") -> None:
        pdf.set_font("Times" if size > 12 else "Helvetica", style, size)
        pdf.set_text_color(*colour)
        pdf.multi_cell(0, size * 0.52, _plain(sentence), new_x="LMARGIN", new_y="NEXT")

    def table(
        titles: Sequence[str],
        rows: Sequence[Sequence[str]],
        left: int,
        widths: Sequence[int],
        width: int | None = None,
    ) -> None:
        pdf.set_font("Helvetica", "", 8.5)
        pdf.set_text_color(*_INK)
        alignment = tuple("LEFT" if place < left else "RIGHT" for place in range(len(titles)))
        with pdf.table(
            headings_style=head,
            text_align=alignment,
            borders_layout="HORIZONTAL_LINES",
            line_height=5.6,
            col_widths=tuple(widths),
            width=width,
            align="LEFT",
        ) as drawn:
            drawn.row([_plain(title) for title in titles])
            for row in rows:
                drawn.row([_plain(cell) for cell in row])

    first, *rest = sentences(figures, late, language=language, zone=zone)
    write(f"Oracle Lumira · {first}", 19, _INK, "B")
    pdf.ln(1.5)
    for sentence in rest:
        write(sentence, 9.5, _QUIET)
    pdf.ln(4)
    table(
        line_titles(language),
        [
            [level_title(line.level, language), line.currency.upper(), str(line.orders)]
            + [format_money(amount, line.currency, language) for amount in line_amounts(line)]
            for line in [*figures.lines, *figures.totals()]
        ],
        2,
        (15, 9, 13, 15, 15, 14, 14, 15, 15, 14),
    )
    pdf.ln(6)
    write(text("month.sheet.balance"), 13, _INK, "B")
    pdf.ln(1)
    table(
        [text("month.movement"), *(b.currency.upper() for b in figures.balances)],
        [
            [text(f"month.balance.{kind}")]
            + [
                format_money(b.earned if kind == "earned" else b.amounts[kind], b.currency, language)
                for b in figures.balances
            ]
            for kind in (*KINDS[:-1], "earned", KINDS[-1])
        ],
        1,
        (40, *(20 for _ in figures.balances)),
        60 + 35 * len(figures.balances),
    )
    if figures.differences:
        pdf.ln(6)
        write(text("month.sheet.differences"), 13, _INK, "B")
        pdf.ln(1)
        names = ("difference.what", "orders.level", "month.ours", "month.stripes")
        table(
            [*(text(name) for name in names), text("month.cause"), "PaymentIntent", text("order.id")],
            [
                [text(f"month.kind.{found.kind}"), level_title(found.level, language)]
                + [format_money(sum_, found.currency, language) for sum_ in (found.ours, found.stripes)]
                + [cause(found, language), found.payment_intent_id or "-", found.order_id or "-"]
                for found in figures.differences
            ],
            2,
            (13, 11, 12, 13, 34, 31, 27),
        )
    pdf.ln(10)
    write(text("month.signature"), 9.5, _QUIET)
    return bytes(pdf.output())


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
    name = "month.differences.none" if not count else "month.differences" + (".one" if count == 1 else "")
    found = [
        translate(language, "month.file_title", month=month_name(figures.month, language)),
        f"{state} {translate(language, 'month.days', zone=zone.key)}",
        translate(language, name, count=count),
    ]
    if late:
        found.append(translate(language, "month.late", count=len(late)))
    return found


def _plain(sentence: str) -> str:
    """Text that the code page of the standard fonts can write."""
    narrow = sentence.replace("\u202f", "\u00a0").replace("\u2212", "-")
    return narrow.encode("cp1252", errors="replace").decode("cp1252")
