"""Bad input, end to end: one clear sentence in the status, no retry, soon."""

import base64
import json
import pathlib
import time

import pytest
import yaml

from workspaces import REPOSITORY, manifest

CASES = yaml.safe_load((pathlib.Path(__file__).parent / "refusals.yaml").read_text())
# Promised: 5 s after the first stage that can know; a stage that tries again and again takes minutes. Machines are
# shared: a factor of ten.
SECONDS = 50


@pytest.fixture(scope="module")
def stack(module_stack):
    registry = {"registry.tunesmith.internal": {"auth": base64.b64encode(b"tunesmith:wrong").decode()}}
    module_stack.write_secret("wrong-password", json.dumps({"auths": registry}))
    return module_stack


def faults_of(case: dict, host) -> list[dict]:
    if "fault" not in case:
        return []
    path = case["fault"]["path"].format(revision=host.revision(REPOSITORY))
    return [{**case["fault"], "path": path}]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_is_told_in_one_sentence(stack, world, case):
    for name, content in case.get("files", {}).items():
        (world / "data" / name).write_text(content)
    stack.file_host.set_faults(*faults_of(case, stack.file_host))
    choices = {key: case[key] for key in ("url", "secret", "model") if key in case}
    started = time.monotonic()
    stack.apply(manifest(case["name"], **choices))
    assert stack.watch(case["name"]) == 1
    assert time.monotonic() - started < SECONDS
    status = stack.status(case["name"])
    assert status["state"] == "Failed"
    assert status["failure"]["reason"] == case["reason"], status["failure"]
    for words in case["says"]:
        assert words in status["failure"]["message"]
    assert "output" not in status or "digest" not in status["output"]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"model": "smollm3-unknown"}, ["smollm3-unknown"]), ({"arguments": {"learning_rat": 1}}, ["learning_rat", "learning_rate"])],
    ids=["unknown-preset", "unknown-training-key"],
)
def test_what_the_manifest_shows_is_refused_by_apply(stack, change, words):
    done = stack.run("apply", "-f", "-", stdin=manifest("refused", **change), check=False)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert stack.run("get", "workspace", "refused", check=False).returncode == 1
