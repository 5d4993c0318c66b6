"""A change, a deletion, a suspension in each stage: the old run stops at once, and what the user asked for last becomes true.

Each case holds a Workspace in one stage by what can really hold it there (a data host that answers nothing, a registry
that is stopped, a worker that is taken), acts, and looks at the state of the world.
"""

import os
import signal
import time
from contextlib import contextmanager

import pytest

from bus_view import BusView
from stack import Events
from workspaces import manifest, write_conversations

ENDLESS = 1_000_000  # steps
# Promised: 10 s. These machines are shared: a factor of five.
STOP_SECONDS = 50


@pytest.fixture
def data_url(world, request):
    """Data of this case's own: what another case fetched is in the worker's cache."""
    number = sum(map(ord, request.node.name))  # files of different sizes are different files
    path = f"data/{request.node.name.translate(str.maketrans('[]', '--'))}.parquet"
    write_conversations(world / path, rows=20 + number % 200)
    return f"http://data.tunesmith.internal/{path}"


@contextmanager
def stopped_registry(stack):
    pid = stack.pid_of("registry")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def silent_data_host(stack, url):
    """Requests for the data are accepted and never answered; the end of it helps later requests only."""
    stack.file_host.set_faults({"path": "/" + url.split("/", 3)[3], "stall_after": 0})
    try:
        yield stack.file_host.set_faults
    finally:
        stack.file_host.set_faults()


@contextmanager
def hold_planning(stack, name, url, events):
    with silent_data_host(stack, url) as answer_again:
        stack.apply(manifest(name, url=url))
        events.wait_for("workspace-observed")
        yield answer_again


@contextmanager
def hold_checking_output(stack, name, url, events):
    with stopped_registry(stack) as go_on:
        stack.apply(manifest(name, url=url))
        events.wait_for("tuning-planned")
        yield go_on


@contextmanager
def hold_waiting(stack, name, url, events):
    holder = f"{name}-holder"
    holders = Events(stack, holder)
    stack.apply(manifest(holder, steps=ENDLESS))
    holders.wait_for("nodes-ready")
    holders.close()
    stack.apply(manifest(name, url=url))
    assert events.wait_for("nodes-pending")["data"]["waiting"]["reason"] == "NoFreeWorker"

    def let_go():
        stack.run("delete", "workspace", holder)

    yield let_go
    if stack.run("get", "workspace", holder, check=False).returncode == 0:
        let_go()


@contextmanager
def hold_downloading(stack, name, url, events):
    with stopped_registry(stack) as go_on:
        stack.apply(manifest(name, url=url))
        events.wait_for("tuning-planned")  # whatever the planner read of the data, it has read
        with silent_data_host(stack, url) as answer_again:
            go_on()
            events.wait_for("tuning-progressed", lambda e: e["data"].get("phase") == "Downloading")
            yield answer_again


@contextmanager
def hold_training(stack, name, url, events):
    stack.apply(manifest(name, url=url, steps=ENDLESS))
    events.wait_for("tuning-progressed", lambda e: int(e["data"].get("step", 0)) >= 5)
    yield lambda: None


@contextmanager
def hold_pushing(stack, name, url, events):
    stack.apply(manifest(name, url=url, steps=400))
    events.wait_for("tuning-started")
    with stopped_registry(stack) as go_on:
        events.wait_for("adapter-ready")
        yield go_on


HOLDS = {
    "planning": hold_planning,
    "checking-output": hold_checking_output,
    "waiting": hold_waiting,
    "downloading": hold_downloading,
    "training": hold_training,
    "pushing": hold_pushing,
}
STAGES = list(HOLDS)


@contextmanager
def held(stack, stage, name, url):
    """Applies the Workspace and comes back when it stays in the stage; gives (its events, how to end the hold)."""
    events = Events(stack, name)
    try:
        with HOLDS[stage](stack, name, url, events) as let_go:
            yield events, let_go
    finally:
        events.close()


def generation_of(event):
    return int(event["id"].split("/")[1])


def none_runs(stack, seconds=STOP_SECONDS):
    """Waits until this stack's worker runs no engine."""
    deadline = time.monotonic() + seconds
    while stack.engines():
        assert time.monotonic() < deadline, f"an engine still runs after {seconds} s\n{stack.logs()}"
        time.sleep(0.1)


@pytest.mark.parametrize("stage", STAGES)
def test_a_new_generation(module_stack, data_url, stage):
    stack, name = module_stack, f"change-{stage}"
    with held(stack, stage, name, data_url) as (events, let_go):
        engines = stack.engines() if stage == "training" else []
        if stage in ("planning", "downloading"):
            let_go()  # the old request stays without an answer, the new generation's gets one
        changed = time.monotonic()
        # A ConfigMap is read once per generation: another one makes another generation.
        stack.apply(manifest(name, url=data_url, steps=7, config=f"{name}-seven"))
        events.wait_for("workspace-observed", lambda e: generation_of(e) == 2)
        let_go()
        if engines:
            events.wait_for("tuning-started", lambda e: generation_of(e) == 2, seconds=STOP_SECONDS)
            assert time.monotonic() - changed < STOP_SECONDS
            assert not os.path.exists(f"/proc/{engines[0]}")
        assert stack.watch(name) == 0, stack.logs()
        pushed = events.wait_for("image-pushed", lambda e: generation_of(e) == 2)
    status = stack.status(name)
    assert status["observedGeneration"] == 2 and status["state"] == "Succeeded"
    assert status["tuning"]["step"] == status["tuning"]["totalSteps"] == 7
    assert status["output"]["digest"] == pushed["data"]["digest"]
    assert [e for e in events.seen if e["event"] == "image-pushed" and generation_of(e) == 1] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_deletion(module_stack, data_url, stage):
    stack, name = module_stack, f"gone-{stage}"
    with held(stack, stage, name, data_url) as (events, _):
        uid = events.seen[0]["uid"]
        asked = time.monotonic()
        stack.run("delete", "workspace", name, seconds=STOP_SECONDS + 10)
        assert time.monotonic() - asked < STOP_SECONDS
    assert stack.run("get", "workspace", name, check=False).returncode == 1
    if stage != "waiting":
        none_runs(stack, 0)
    assert not list((stack.home / "work").glob(f"**/{uid}*"))
    bus = BusView(stack)
    assert f"OBJ_ws-{uid}" not in bus.streams()
    for bucket in ("current", "plans", "leases", "results", "rendezvous"):
        assert not [key for key in bus.keys(bucket) if uid in key], bucket
    bus.close()


@pytest.mark.parametrize("stage", STAGES)
def test_a_suspension(module_stack, data_url, stage):
    stack, name = module_stack, f"pause-{stage}"
    steps = {"training": ENDLESS, "pushing": 400}.get(stage, 30)
    with held(stack, stage, name, data_url) as (events, let_go):
        stack.apply(manifest(name, url=data_url, steps=steps, annotations={"tunesmith.dev/suspend": "true"}))
        if stage in ("downloading", "training"):
            none_runs(stack)
            # The worker is free for others.
            stack.apply(manifest(f"{name}-other"))
            assert stack.watch(f"{name}-other") == 0, stack.logs()
        let_go()
        assert "suspend" in stack.waits_for(name, "Suspended")
        before = len(events.seen)
        stack.apply(manifest(name, url=data_url, steps=steps))
        if stage == "training":
            resumed = events.wait_for("tuning-started", lambda e: events.seen.index(e) >= before)
            assert int(resumed["data"]["resumed_step"]) >= 5, "the training began from zero"
            stack.run("delete", "workspace", name)
            return
        assert stack.watch(name) == 0, stack.logs()
    assert stack.status(name)["state"] == "Succeeded"


def test_deleted_in_the_middle_and_made_again_at_once(module_stack, data_url):
    stack, name = module_stack, "phoenix"
    with held(stack, "training", name, data_url) as (events, _):
        first = events.seen[0]["uid"]
        stack.run("delete", "workspace", name)
        stack.apply(manifest(name, url=data_url, steps=9))
        assert stack.watch(name) == 0, stack.logs()
        second = events.wait_for("image-pushed")["uid"]
    assert first != second
    assert stack.status(name)["tuning"]["step"] == 9
    bus = BusView(stack)
    assert f"OBJ_ws-{first}" not in bus.streams()
    bus.close()
