"""kill -9, once, in the middle of a run: the Workspace still ends in one image, trained once, and the status says what happened."""

import os
import signal

import pytest

from stack import Events
from workspaces import LONG, manifest

SERVICES = ["watcher", "planner", "image-builder", "provisioner", "gpu-worker"]


def in_the_middle(stack, name: str) -> Events:
    """Returns when the training has made some steps and stored a checkpoint may be behind it."""
    events = Events(stack, name)
    stack.apply(manifest(name, steps=LONG))
    events.wait_for("tuning-progressed", lambda e: int(e["data"].get("step", 0)) >= 20)
    return events


def ends_in_one_image(stack, name: str, events: Events) -> dict:
    assert stack.watch(name, seconds=400) == 0, stack.logs()
    events.wait_for("image-pushed")
    events.close()
    results = {e["data"]["adapter"]["name"] for e in events.seen if e["event"] == "adapter-ready"}
    digests = {e["data"]["digest"] for e in events.seen if e["event"] == "image-pushed"}
    assert len(results) == 1 and len(digests) == 1
    status = stack.status(name)
    assert status["state"] == "Succeeded"
    return status


@pytest.mark.parametrize("victim", SERVICES)
def test_a_service(module_stack, victim):
    name = f"kill-{victim}"
    events = in_the_middle(module_stack, name)
    module_stack.kill(victim)
    status = ends_in_one_image(module_stack, name, events)
    if victim == "gpu-worker":
        resumed = [e for e in events.seen if e["event"] == "tuning-started" and int(e["data"].get("resumed_step", 0)) > 0]
        assert resumed, "the training began from zero"
        assert status["tuning"]["attempt"] >= 2


def test_an_engine_rank(module_stack):
    events = in_the_middle(module_stack, "kill-engine")
    os.kill(module_stack.engines()[0], signal.SIGKILL)
    status = ends_in_one_image(module_stack, "kill-engine", events)
    assert any(i["reason"] == "EngineKilled" for i in status["incidents"])
    assert status["tuning"]["attempt"] == 2


def test_nats_server(module_stack):
    events = in_the_middle(module_stack, "kill-nats")
    events.close()
    module_stack.kill("nats-server")
    events = Events(module_stack, "kill-nats")
    ends_in_one_image(module_stack, "kill-nats", events)
