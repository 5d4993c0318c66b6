"""Private data and a gated model, end to end: who is shown the credentials, and that nothing keeps them."""

import json
import pathlib
import shutil
import tempfile

import pytest
import yaml

from stack import Events, FileHost, Stack
from workspaces import REPOSITORY, manifest

DATA_TOKEN = "d4ta-t0ken-of-the-test"
HUB_TOKEN = "hf_t0ken-of-the-test"
MODEL = f"/{REPOSITORY}/resolve/"


@pytest.fixture
def storage(world):
    """Where the hub redirects to for large files: another origin."""
    host = FileHost(world)
    yield host
    host.close()


def private(name: str, *, data_secret: str | None = None, hub_secret: str | None = None) -> str:
    workspace, config_map = yaml.safe_load_all(manifest(name))
    if data_secret:
        workspace["metadata"]["annotations"] = {"tunesmith.dev/data-secret": data_secret}
    if hub_secret:
        workspace["tuning"]["preset"]["presetOptions"] = {"modelAccessSecret": hub_secret}
    return yaml.safe_dump_all([workspace, config_map])


def files_that_hold(folder: pathlib.Path, words: list[bytes]) -> list[pathlib.Path]:
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and file.relative_to(folder).parts[0] != "secrets":
            content = file.read_bytes()
            found += [file] * any(word in content for word in words)
    return found


def test_private_data_and_a_gated_model(stack, file_host, storage):
    weights = f"{MODEL}{file_host.revision(REPOSITORY)}/model.safetensors"
    file_host.set_faults(
        {"path": "/data/*", "bearer_token": DATA_TOKEN},
        {"path": f"{MODEL}*", "bearer_token": HUB_TOKEN},
        {"path": weights, "redirect": f"http://127.0.0.1:{storage.port}/models/{REPOSITORY}/model.safetensors"},
    )
    stack.write_secret("hub", json.dumps({"HF_TOKEN": HUB_TOKEN}))
    stack.apply(private("private", data_secret="late", hub_secret="hub"))
    events = Events(stack, "private")
    waiting = events.wait_for("plan-pending")
    assert "SecretMissing" in json.dumps(waiting) and "default/late" in json.dumps(waiting)
    stack.write_secret("late", json.dumps({"token": DATA_TOKEN}))
    assert stack.watch("private") == 0
    events.close()

    assert all(request["status"] != 401 for request in file_host.requests())
    asked = [request["path"] for request in file_host.requests() if request["authorized"]]
    assert weights in asked and "/data/train.parquet" in asked
    stored = storage.requests()
    assert stored and not any(request["authorized"] for request in stored)

    # The files are in the cache now, but they are not everybody's.
    stack.apply(private("no-licence", data_secret="late"))
    assert stack.watch("no-licence") == 1
    failure = stack.status("no-licence")["failure"]
    assert failure["reason"] == "ModelAccessDenied" and "modelAccessSecret" in failure["message"]
    stack.write_secret("stale", json.dumps({"token": "stale"}))
    stack.apply(private("stale-token", data_secret="stale", hub_secret="hub"))
    assert stack.watch("stale-token") == 1
    failure = stack.status("stale-token")["failure"]
    assert failure["reason"] == "DataAccessDenied" and "default/stale" in failure["message"]

    said = stack.run("events", "private", "-o", "json").stdout + stack.run("get", "workspace", "private", "-o", "yaml").stdout
    assert DATA_TOKEN not in said and HUB_TOKEN not in said
    assert files_that_hold(stack.home, [DATA_TOKEN.encode(), HUB_TOKEN.encode()]) == []
    assert files_that_hold(stack.home, [b"modelAccessSecret"]), "the search does not see what the bus stores"


@pytest.fixture
def stack_with_a_folder(file_host):
    home = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-stack-"))
    (home / "sets").mkdir()
    running = Stack(home, file_host)
    running.environment["TUNESMITH_ALLOWED_DATA_PATHS"] = json.dumps([str(home / "sets")])
    running.up()
    yield running
    running.down()
    shutil.rmtree(home)


def test_files_of_this_machine_where_the_operator_allows_them(stack_with_a_folder, world):
    stack = stack_with_a_folder
    home = stack.home
    shutil.copy(world / "data/train.parquet", home / "sets/train.parquet")
    shutil.copy(world / "data/train.parquet", home / "outside.parquet")
    (home / "sets/link.parquet").symlink_to(home / "outside.parquet")

    stack.apply(manifest("local", url=f"file://{home}/sets/train.parquet"))
    assert stack.watch("local") == 0
    stack.apply(manifest("linked", url=f"file://{home}/sets/link.parquet"))
    assert stack.watch("linked") == 1
    assert stack.status("linked")["failure"]["reason"] == "FileNotAllowed"
    refused = stack.run("apply", "-f", "-", stdin=manifest("outside", url=f"file://{home}/outside.parquet"), check=False)
    assert refused.returncode == 1 and "a folder that the operator allows" in refused.stderr
