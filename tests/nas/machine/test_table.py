"""Tables as plain text."""

from __future__ import annotations

from plugnas.nas.machine.table import text_table


def test_columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right():
    lines = text_table(["id", "n", "what"], [["a", "100", "x" * 300], ["bbb", "7", ""]], align="lr")
    assert lines == ["id     n  what", "a    100  " + "x" * 300, "bbb    7"]


def test_cells_are_text_and_no_markup():
    assert text_table(["a"], [["[bold]0.9[/bold] :smile: https://x"]])[1] == (
        "[bold]0.9[/bold] :smile: https://x"
    )


def test_least_widths_and_no_rows():
    assert text_table(["a", "b"], [["1", "2"]], least=(6,)) == ["a       b", "1       2"]
    assert text_table(["a", "b"], []) == ["a  b"]
