from __future__ import annotations

import json

from click.testing import CliRunner

from closedloop.cli import main


def test_check_says_what_an_encoder_is_and_understands():
    shown = CliRunner().invoke(main, ["encoders", "check", "default"])
    assert shown.exit_code == 0, shown.output
    assert "384 dimensions" in shown.output
    assert "Understood beside English, as far as that tells:" in shown.output

    facts = json.loads(CliRunner().invoke(main, ["encoders", "check", "--json"]).output)
    assert facts["dimensions"] == 384
    assert facts["understood"]["zh"] < 7
    assert "zh" not in facts["languages"]


def test_check_refuses_in_a_sentence(tmp_path):
    refused = CliRunner().invoke(main, ["encoders", "check", f"onnx:{tmp_path / 'none'}"])
    assert refused.exit_code == 1
    assert "There is no folder" in refused.output
    assert "Traceback" not in refused.output
