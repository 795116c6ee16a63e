"""docs/api.md, read as data: the table of routes and roles, and the table of errors."""
import re

from . import build

DOCUMENT = build.TOP / "docs" / "api.md"


def _section(title):
    text = DOCUMENT.read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"docs/api.md has no section {title}"
    return found.group(1)


def _rows(text):
    """The cells of each row of the Markdown tables in *text*, headings left out."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _read_errors():
    errors = {}
    for cells in _rows(_section("Errors")):
        found = re.fullmatch(r"`([A-Z_]+)`", cells[0])
        if found:
            errors[found.group(1)] = int(cells[1])
    return errors


def _read_routes():
    """[(method, template, group, {column: cell})]"""
    routes = []
    columns = None
    for cells in _rows(_section("Roles")):
        if cells[0] == "route":
            columns = cells[2:]
            continue
        found = re.fullmatch(r"`([A-Z]+) (/\S*)`", cells[0])
        if found and columns:
            routes.append((found.group(1), found.group(2), cells[1],
                           dict(zip(columns, cells[2:]))))
    return routes


ERRORS = _read_errors()
ROUTES = _read_routes()
