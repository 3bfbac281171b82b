"""Files that leave: no spreadsheet runs them."""

import csv
import io

import pytest

from services.export import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1"])
def test_a_cell_that_a_spreadsheet_could_run_is_text(text: str) -> None:
    (_, row) = csv.reader(io.StringIO(csv_text(["a"], [{"a": text}])))
    assert row[0].startswith("'")


def test_numbers_stay_numbers_and_nothing_is_empty_not_zero() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(["a", "b", "c"], [{"a": -1.5, "b": None}]))))
    assert rows[1] == ["-1.5", "", ""]


def test_quotes_and_commas_survive() -> None:
    text = 'a "quoted", one\nwith a line'
    assert list(csv.reader(io.StringIO(csv_text(["a"], [{"a": text}]))))[1] == [text]
