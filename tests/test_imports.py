"""Imports run one way, stripe and pymongo each have one door, and pages only lay out."""

from importlinter.cli import lint_imports


def test_the_import_contracts_hold(capsys):
    code = lint_imports()
    assert code == 0, capsys.readouterr().out
