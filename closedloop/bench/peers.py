"""Environments of their own for the libraries we are measured against."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_INSTALL_SECONDS = 300


class PeerNotThere(RuntimeError):
    """A peer could not be installed; the message says why."""


def peers_directory() -> Path:
    """Return where environments of peers are kept between runs: the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "closedloop" / "peers"


def peer_python(
    name: str, *requirements: str, alone: tuple[str, ...] = (), directory: Path | None = None
) -> Path:
    """Return the Python of an environment with the requirements, made where it is missing.

    Those ``alone`` are installed without what they require themselves.

    Raises
    ------
    PeerNotThere
        If uv is not installed, or the requirements cannot be had.
    """
    home = (directory or peers_directory()) / name
    python, done = home / "bin" / "python", home / "installed.txt"
    wanted = "\n".join((*requirements, *alone))
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return python
    uv = shutil.which(
        "uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    )
    if uv is None:
        raise PeerNotThere(f"{name} was not compared: uv, which installs it, is not here.")
    shutil.rmtree(home, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], name)
    _run([uv, "pip", "install", "--quiet", "--python", str(python), *requirements], name)
    if alone:
        bare = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python), *alone]
        _run(bare, name)
    done.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str], name: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - our own command line
            command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        why = said[-1] if said else "it said nothing"
        raise PeerNotThere(
            f"{name} was not compared: it could not be installed ({why})."
        ) from error
