"""The page."""


def text(table):
    return ""


def shown(table):
    return table
