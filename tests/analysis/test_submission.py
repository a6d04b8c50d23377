"""Tables of estimates made elsewhere, as files: read alike, and told with file and row where bad."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from singular.analysis import read_submissions
from singular.analysis.targets import LOCAL
from singular.errors import InputError, StoreError

HEADER = "problem,n,seed,target,value,error,method,gradients,gamma\n"
ROW = "linear-2,50,0,wbic,75,0.1,,,\n"


def write(path, rows) -> None:
    lines = [",".join(str(cell) for cell in row) for row in rows]
    path.write_text(HEADER + "\n".join(lines) + "\n")


def test_csv_and_json_say_the_same(tmp_path):
    (tmp_path / "a.csv").write_text(
        "\ufeffseed, n,problem,target,value,error,gamma,method\n"
        "0,50.0, linear-2,local_learning_coefficient,0.9,,1e0,mine\n\n"
        "1,5e1,linear-2,wbic,7e1,0.5,,\n",
        encoding="utf-8",
    )
    rows = [
        {"problem": "linear-2", "n": 50, "seed": 0, "target": LOCAL, "value": 0.9, "error": None, "gamma": 1,
         "method": "mine"},
        {"problem": "linear-2", "n": 50, "seed": 1, "target": "wbic", "value": 70, "error": "0.5", "gamma": ""},
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(rows))
    first, second = (read_submissions([tmp_path / f"a.{kind}"]) for kind in ("csv", "json"))
    pd.testing.assert_frame_equal(first.drop(columns="source"), second.drop(columns="source"))
    assert first["method"].tolist() == ["mine", "a"]
    assert first["source"].tolist() == [f"{tmp_path}/a.csv, line 2", f"{tmp_path}/a.csv, line 4"]
    assert second["source"].tolist() == [f"{tmp_path}/a.json, row 1", f"{tmp_path}/a.json, row 2"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.csv: is empty; needed are the columns problem, n, seed, target, value, error"),
        (" \n\n", "a.csv: is empty"),
        (HEADER, "a.csv: has no rows"),
        ("problem,n,seed\nlinear-2,50,0\n", "a.csv: lacks the columns target, value, error"),
        ("a plain text\nof two lines\n", "a.csv: lacks the columns problem"),
        ("n,n,problem,seed,target,value,error\n", "a.csv: column 'n' stands there twice"),
        (HEADER.replace("gradients", "gradient") + ROW, "column='gradient' is not known; did you mean 'gradients'?"),
        (HEADER + "linear-2,50,0\n", "a.csv, line 2: does not have the 9 cells of the header"),
        (HEADER + ROW.strip() + ",1\n", "a.csv, line 2: does not have the 9 cells"),
        (HEADER + 'linear-2,50,0,wbic,"75,0.1,,,\n', "a.csv, line"),
        (HEADER + ROW + ROW.replace("linear-2", "linear2"), "line 3: problem='linear2' is not known; did you mean"),
        (HEADER + ROW.replace("wbic", "WBIC"), "line 2: target='WBIC' is not known"),
        (HEADER + ROW.replace("wbic", "lambda"), "Allowed: effective_learning_coefficient, excess_coefficient, free"),
        (HEADER + ROW.replace("75", "nan"), "line 2: value='nan'; allowed is a finite number"),
        (HEADER + ROW.replace("75", "inf"), "line 2: value='inf'; allowed is a finite number"),
        (HEADER + ROW.replace("75", ""), "line 2: value is empty; allowed is a finite number"),
        (HEADER + ROW.replace("75", "0.5±0.1"), "line 2: value='0.5±0.1'; allowed is a finite number"),
        (HEADER + ROW.replace("0.1", "-0.1"), "error='-0.1'; allowed is a finite number of at least 0, or nothing"),
        (HEADER + ROW.replace("0.1", "nan"), "error='nan'; allowed is a finite number of at least 0, or nothing"),
        (HEADER + ROW.replace("50", "50.5"), "n='50.5'; allowed is a whole number from 3"),
        (HEADER + ROW.replace("50", "2"), "n='2'; allowed is a whole number from 3"),
        (HEADER + ROW.replace("50", ""), "n=None; allowed is a whole number from 3"),
        (HEADER + ROW.replace("50", "1e99"), "n='1e99'; allowed is a whole number from 3"),
        (HEADER + ROW.replace(",0,", ",-1,"), "seed='-1'; allowed is a whole number from 0"),
        (HEADER + ROW.replace("0.1,,,", "0.1,,-5,"), "gradients='-5'; allowed is"),
        (HEADER + ROW.replace("0.1,,,", "0.1,,,1"), "line 2: gamma=1.0 is given for wbic"),
        (HEADER + ROW.replace("wbic", LOCAL), "line 2: gamma=None: local_learning_coefficient needs"),
        (HEADER + ROW.replace("wbic", LOCAL).replace("0.1,,,", "0.1,,,0"), "line 2: gamma=0.0: local_learning"),
        (HEADER + ROW.replace("0.1,,", "0.1,singular,"), "method='singular' is the name of our own estimates"),
        (HEADER + ROW.replace("linear-2", "galaxies-3"), "allowed for the real data of 'galaxies-3' is n=82, seed=0"),
        (HEADER + ROW + ROW, "a.csv, line 3: problem=linear-2, n=50, seed=0, target=wbic, method=a stands in"),
    ],
)  # fmt: skip
def test_bad_rows_are_told_with_file_and_row(text, says, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises((InputError, StoreError)) as caught:
        read_submissions([path])
    assert says in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "a.json: is no JSON"),
        ("[]", "a.json: has no rows"),
        ('{"problem": "linear-2"}', "a.json: holds one dict; allowed is a list of objects"),
        ("[1]", "a.json, row 1: is 1; allowed is an object"),
        ('[{"problem": "linear-2"}]', "a.json, row 1: lacks n, seed, target, value, error"),
        ('[{"problem": 3, "n": 50, "seed": 0, "target": "wbic", "value": 1, "error": 1}]', "problem=3; allowed is a"),
        ('[{"problem": "tanh-2", "n": 50, "seed": 0, "target": "wbic", "value": NaN, "error": 1}]', "value=nan; allo"),
        ('[{"problem": "tanh-2", "n": 50, "seed": 0, "target": "wbic", "value": true, "error": 1}]', "value=True; all"),
        ('[{"problem": "tanh-2", "n": [], "seed": 0, "target": "wbic", "value": 1, "error": 1}]', "n=[]; allowed is"),
    ],
)
def test_bad_json_is_told_too(text, says, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises((InputError, StoreError)) as caught:
        read_submissions([path])
    assert says in str(caught.value)


def test_foreign_and_missing_files_are_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    for path, says in (("a.csv", "is no text"), ("missing.csv", "cannot be read"), (".", "cannot be read")):
        with pytest.raises(StoreError, match=says):
            read_submissions([tmp_path / path])
    with pytest.raises(InputError, match="at least one file"):
        read_submissions([])


def test_the_same_number_in_two_files_is_told(tmp_path):
    for place in ("x", "y"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.csv").write_text(HEADER + ROW)
    with pytest.raises(InputError, match=r"y/a.csv, line 2: .* stands in .*x/a.csv, line 2 already"):
        read_submissions([tmp_path / "x" / "a.csv", tmp_path / "y" / "a.csv"])
    (tmp_path / "y" / "a.csv").rename(tmp_path / "b.csv")  # another method by its file's name
    assert read_submissions([tmp_path / "x" / "a.csv", tmp_path / "b.csv"])["method"].tolist() == ["a", "b"]
