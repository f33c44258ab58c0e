"""The page in a real browser against the real system: frontend/e2e, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.invoice_lines import invoice_lines

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"


@pytest.mark.timeout(1200)
def test_the_page_does_what_its_users_do(system, tmp_path):
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    npm = shutil.which("npm", path=path)
    assert npm, "there is no npm: make page"
    assert (FRONTEND / "dist" / "index.html").exists(), "the page is not built: make page"
    done = subprocess.run(
        [npm, "run", "--silent", "e2e"],
        cwd=FRONTEND,
        env={
            **os.environ,
            "PATH": path,
            "PAGE_URL": system.page_url,
            "API_URL": system.gateway_url,
            "RUN_DIR": str(system.run_dir),
            "PYTHON": sys.executable,
            "REPLAY_FILE": str(invoice_lines(tmp_path, 50)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
