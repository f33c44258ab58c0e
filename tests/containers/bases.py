"""The images that docker-compose.yml and the Dockerfiles take from a registry; where none answers, ones made of Debian packages.

Made ones bear the same names and do what is asked of the real ones here; their programs are Debian's, and so are their versions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.containers import composition

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.containers.engine import Composition

DEBIAN = "localhost/inventory-test-debian:bookworm"
SUITE = "bookworm"  # its Python is the 3.11 that LocalStack 4.13 needs
RECIPES = Path(__file__).parent / "bases"
CERTIFICATES = "/usr/local/share/inventory-test/ca-certificates.crt"
# Who asks a registry in a container trusts whom this machine trusts.
TRUSTING = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE")
NOT_NEEDED = ("var/cache/apt/archives", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists")


class NoBases(Exception):
    """No registry answers, and nothing can be made here; its text says why."""


def provide(engine: Composition, work: Path, say: Callable[[str], None]) -> bool:
    """Have every base. True when some were made here. Raises NoBases, EngineFailed."""
    missing = [name for name in sorted(composition.bases()) if not engine.has(name) and not engine.pull(name)]
    if missing:
        say(f"no registry answers: making {len(missing)} base images of Debian packages")
        if not engine.has(DEBIAN):
            engine.load(_debian(work), DEBIAN, dict.fromkeys(TRUSTING, CERTIFICATES))
        for name in missing:
            engine.build_base(RECIPES / f"{_program(name)}.Dockerfile", name)
    return bool(missing)


def _program(image: str) -> str:
    """`docker.io/library/nginx:1.28` -> `nginx`."""
    return image.rpartition("/")[2].partition(":")[0]


def _debian(work: Path) -> Path:
    """A small Debian in a directory."""
    if os.geteuid() or not shutil.which("debootstrap"):
        raise NoBases("no registry answers, and to make base images takes root and debootstrap")
    root = work / "debian"
    shutil.rmtree(root, ignore_errors=True)
    made = subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(root), _mirror()], capture_output=True, text=True, check=False)
    if made.returncode:
        raise NoBases(f"no registry answers, and debootstrap failed: {made.stdout[-500:]}{made.stderr[-500:]}")
    (root / "etc" / "resolv.conf").unlink(missing_ok=True)
    trusted = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    copied = root / CERTIFICATES.lstrip("/")
    copied.parent.mkdir(parents=True)
    shutil.copyfile(trusted, copied)
    for part in NOT_NEEDED:
        for entry in (root / part).iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    return root


def _mirror() -> str:
    """Where this machine gets its own packages from."""
    sources = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=False).stdout.split()
    plain = [site for site in sources if re.match(r"https?://", site) and "security" not in site]
    if not plain:
        raise NoBases("no registry answers, and apt knows no mirror to make base images from")
    return plain[0]
