"""What a spreadsheet would make of the page's export: its cells as the page writes them, read by Python's reader of CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from infra.stack.instance import PROJECT_DIR
from tests.security.texts import FORMULAS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRONTEND = PROJECT_DIR / "frontend"
# Node runs what the page is built of, less its types.
_SCRIPT = """
const { readFileSync } = require('node:fs')
const { transformSync } = require('esbuild')
const { code } = transformSync(readFileSync('src/transfer/csvCell.ts', 'utf8'), { loader: 'ts', format: 'cjs' })
const module_ = { exports: {} }
new Function('module', 'exports', code)(module_, module_.exports)
const { csvCell, unguarded } = module_.exports
const sent = JSON.parse(readFileSync(0, 'utf8'))
// A cell as a reader of CSV gives it to the import.
const read = (cell) => cell.replace(/^"([^]*)"$/, (_, inner) => inner.replace(/""/g, '"'))
console.log(JSON.stringify(sent.map((value) => [value, csvCell(value), unguarded(read(csvCell(value)))])))
"""
# https://owasp.org/www-community/attacks/CSV_Injection, with the characters that stand for the same in East Asian fonts.
_BEGINS_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
DELIMITERS = ",;\t"


def cells_of(node: str) -> list[tuple[Any, str, str]]:
    """Each text and number with the cell that the page writes for it, and with what its import reads there."""
    sent = [*FORMULAS, *NUMBERS]
    ran = subprocess.run([node, "-e", _SCRIPT], cwd=_FRONTEND, input=json.dumps(sent), capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"the page's export does not run: {ran.stderr}")
    return [tuple(found) for found in json.loads(ran.stdout)]


def formulas_in(sent: Any, cell: str, back: str) -> Iterator[str]:
    """What is wrong with a cell: a spreadsheet would compute it, or would not read a number as one."""
    if _NUMBER.fullmatch(str(sent)):
        if cell != str(sent):
            yield f"the number {sent!r} was written as {cell!r}"
        return
    for delimiter in DELIMITERS:
        for row in csv.reader(io.StringIO(f"{cell}\r\n", newline=""), delimiter=delimiter):
            for read in row:
                if _BEGINS_FORMULA.match(read) and not _NUMBER.fullmatch(read):
                    yield f"{sent!r} is the formula {read!r} where {delimiter!r} parts cells"
    if back != sent:
        yield f"{sent!r} was written as {cell!r}, and is imported as {back!r}"
