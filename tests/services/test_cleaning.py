"""A process beside an import ends quietly when whoever started it is gone."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from multiprocessing import connection

import pytest

from tests.site import ROOT


@pytest.mark.parametrize("sent", [b"", struct.pack("!i", 100) + b"begun"], ids=["nothing", "half"])
def test_a_process_beside_whose_import_was_killed_before_a_whole_message_ends_quietly(sent) -> None:
    work, ours = connection.Pipe(duplex=False)
    done, answers = connection.Pipe(duplex=False)
    handles = (work.fileno(), answers.fileno())
    process = subprocess.Popen(
        [sys.executable, "-c", f"from closedloop.services.cleaning import serve; serve{handles}"],
        cwd=ROOT,
        pass_fds=handles,
        stderr=subprocess.PIPE,
        text=True,
    )
    work.close()
    answers.close()
    os.write(ours.fileno(), sent)
    ours.close()

    said = process.communicate(timeout=120)[1]
    done.close()

    assert (process.returncode, said) == (0, "")
