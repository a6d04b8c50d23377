"""The page of the study of two wells at the noise floor."""

import pandas as pd


def shown(table: pd.DataFrame) -> pd.DataFrame:
    return table


def text(table: pd.DataFrame) -> str:
    return ""
