"""One Workspace, end to end, as processes: each promise told by the state of the world."""

import json
import os
import subprocess
import tarfile
import time

from bus_view import BusView
from stack import Events
from workspaces import LONG, REPOSITORY, manifest

# Promised: 10 s. Machines are shared: a factor of ten.
DELETION_SECONDS = 100


def copy_image(stack, name: str, folder) -> dict:
    """The image as somebody else would get it, by digest; returns its manifest."""
    digest = stack.status(name)["output"]["digest"]
    registry = stack.facts()["registry"]["address"]
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", "--src-authfile", stack.home / "secrets/default/demo-registry",
         f"docker://{registry}/tests/{name}@{digest}", f"dir:{folder}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return json.loads((folder / "manifest.json").read_text())


def test_a_workspace_becomes_an_image_that_others_can_read(stack, tmp_path):
    assert "workspace.kaito.sh/first created" in stack.apply(manifest("first"))
    assert stack.watch("first") == 0
    status = stack.status("first")
    assert status["state"] == "Succeeded"
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert conditions["WorkspaceReady"] == "True" and conditions["WorkspaceSucceeded"] == "True"
    assert status["tuning"]["evalLoss"] < status["tuning"]["evalLossBefore"]

    layers = copy_image(stack, "first", tmp_path / "image")["layers"]
    assert len(layers) == 1
    with tarfile.open(tmp_path / "image" / layers[0]["digest"].removeprefix("sha256:")) as archive:
        assert sorted(m.name for m in archive.getmembers() if m.isfile()) == [
            "data/adapter_config.json",
            "data/adapter_model.safetensors",
        ]


def test_applied_again_it_does_nothing(stack):
    stack.apply(manifest("again"))
    assert stack.watch("again") == 0
    before = stack.run("events", "again", "-o", "json").stdout.splitlines()
    assert "workspace.kaito.sh/again unchanged" in stack.apply(manifest("again"))
    assert stack.watch("again") == 0
    assert stack.run("events", "again", "-o", "json").stdout.splitlines() == before


def test_an_edit_of_the_output_pushes_again_without_training(stack):
    stack.apply(manifest("moved"))
    assert stack.watch("moved") == 0
    digest = stack.status("moved")["output"]["digest"]
    events = Events(stack, "moved")
    stack.apply(manifest("moved", image="registry.tunesmith.internal/tests/moved:2"))
    events.wait_for("image-pushed", lambda e: e["data"]["image"].endswith(":2"))
    events.close()
    starts = [e for e in events.seen if e["event"] == "tuning-started"]
    assert len(starts) == 1
    assert stack.watch("moved") == 0
    assert stack.status("moved")["output"]["digest"] == digest  # the same adapter is the same image


def test_two_at_once_both_finish_and_the_second_says_what_it_waits_for(stack):
    first, events = Events(stack, "one"), Events(stack, "second")
    # There is no order between Workspaces, and no speed: the first has the worker before the second asks, and keeps it
    # until the second was told to wait.
    weights = f"/{REPOSITORY}/resolve/{stack.file_host.revision(REPOSITORY)}/model.safetensors"
    stack.file_host.set_faults({"path": weights, "cut_after": 1})
    stack.apply(manifest("one"))
    first.wait_for("nodes-ready")
    first.close()
    stack.apply(manifest("second"))
    waiting = events.wait_for("nodes-pending")
    stack.file_host.set_faults()
    assert waiting["data"]["waiting"]["reason"] == "NoFreeWorker"
    assert waiting["data"]["queue_position"] == 1
    assert stack.watch("one") == 0
    assert stack.watch("second") == 0
    events.close()


def test_a_deletion_in_the_middle_leaves_nothing(stack):
    stack.apply(manifest("gone", steps=1_000_000))
    events = Events(stack, "gone")
    uid = events.wait_for("tuning-progressed", lambda e: int(e["data"].get("step", 0)) > 2)["uid"]
    engines = stack.engines()
    assert len(engines) == 1
    bus = BusView(stack)
    assert f"OBJ_ws-{uid}" in bus.streams() and uid in bus.keys("leases")
    started = time.monotonic()
    done = stack.run("delete", "workspace", "gone")
    assert time.monotonic() - started < DELETION_SECONDS
    assert "deleted" in done.stdout
    assert not os.path.exists(f"/proc/{engines[0]}")
    assert stack.run("get", "workspace", "gone", check=False).returncode == 1
    left = [event for event in events.seen if event["event"] == "adapter-ready"]
    assert not left
    events.close()
    assert not list((stack.home / "work").glob(f"**/{uid}*"))
    assert f"OBJ_ws-{uid}" not in bus.streams()
    for bucket in ("current", "plans", "leases", "results", "rendezvous"):
        assert not [key for key in bus.keys(bucket) if uid in key], bucket
    assert not [key for key in bus.keys("workspaces") if key.endswith(".gone")]
    bus.close()


def test_a_name_can_be_used_again_at_once(stack):
    stack.apply(manifest("twice"))
    assert stack.watch("twice") == 0
    first = stack.status("twice")
    stack.run("delete", "workspace", "twice")
    stack.apply(manifest("twice"))
    assert stack.watch("twice") == 0
    # Same data, same numbers: the registry already holds this very image.
    assert stack.status("twice")["output"]["digest"] == first["output"]["digest"]


def test_a_stop_of_the_stack_in_the_middle_is_gone_on_from_the_checkpoint(stack):
    stack.apply(manifest("paused", steps=LONG))
    events = Events(stack, "paused")
    events.wait_for("tuning-progressed", lambda e: int(e["data"].get("step", 0)) > 5)
    events.close()
    stack.down()
    assert not stack.engines()
    stack.up()
    events = Events(stack, "paused")
    events.wait_for("tuning-started", lambda e: int(e["data"].get("resumed_step", 0)) > 0)
    events.close()
    assert stack.watch("paused") == 0


def test_a_failed_workspace_is_retried_when_its_secret_was_mended(stack):
    stack.write_secret("mended", json.dumps({"auths": {"registry.tunesmith.internal": {"auth": "bm9ib2R5Ondyb25n"}}}))
    stack.apply(manifest("mended", secret="mended"))
    assert stack.watch("mended") == 1
    assert stack.status("mended")["failure"]["reason"] == "PushDenied"
    stack.write_secret("mended", (stack.home / "secrets/default/demo-registry").read_text())
    stack.run("retry", "mended")
    assert stack.watch("mended") == 0
