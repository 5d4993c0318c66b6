"""Every reason of docs/reasons.md has a case, and the cases that need no more than a command line."""

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

BIN = pathlib.Path(os.environ["TUNESMITH_BIN"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = yaml.safe_load((pathlib.Path(__file__).parent / "reasons_cases.yaml").read_text())


def test_every_reason_has_an_entry_and_a_case():
    checked = subprocess.run([sys.executable, ROOT / "tools/check_reasons.py"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("case", CASES, ids=[case["reason"] for case in CASES])
def test_what_programs_say(case, tmp_path):
    fill = lambda text: text.replace("{dir}", str(tmp_path)).replace("{root}", str(ROOT))  # noqa: E731
    for name, content in case.get("files", {}).items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    program, *arguments = (fill(part) for part in case["run"])
    done = subprocess.run(
        [BIN / program, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **case.get("env", {})},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode != 0
    assert fill(case["says"]) in done.stdout + done.stderr
