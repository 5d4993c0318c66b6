"""The registry is away after the adapter is ready; a worker stands still while another does its work."""

import json
import os
import signal
import time

import pytest

from bus_view import BusView
from cell import holds_a_worker, promise_is_kept
from matrix_test import FULL
from stages import enter_pushing, enter_training, waiting_reason
from world import World, until

# Five minutes outlast every wait of the services, looks again among them.
HELD_SECONDS = 300 if FULL else 8


@pytest.fixture
def world():
    there = World()
    yield there
    there.close()


@pytest.fixture
def world_of_two():
    there = World(workers=2)
    yield there
    there.close()


def test_nothing_is_taken_while_the_registry_is_held(world):
    enter_pushing(world, "held")
    uid = world.seen("held", "workspace-observed")[0]["uid"]
    started = len(world.seen("held", "nodes-ready"))
    until(lambda: not holds_a_worker(world, uid), "the worker is free while the push waits")
    waiting_reason(world, "held")
    deadline = time.monotonic() + HELD_SECONDS
    while time.monotonic() < deadline:
        assert not holds_a_worker(world, uid)
        assert world.status("held")["waiting"]["reason"]
        time.sleep(0.5)  # looked at again and again for as long as the registry is held
    world.registry.open()
    world.wait_for("held", "image-pushed")
    promise_is_kept(world, "held", uid, stored=0, begins_anew=False)
    assert len(world.seen("held", "nodes-ready")) == started
    assert len(world.seen("held", "tuning-started")) == 1


def holder_of_the_lease(world: World, uid: str) -> int:
    bus = BusView(world.stack)
    holder = json.loads(bus.value("leases", uid))["holder"]
    bus.close()
    return int(holder.rsplit("/", 1)[1])


def test_a_worker_that_stood_still_finds_its_work_done(world_of_two):
    world = world_of_two
    enter_training(world, "late")
    uid = world.seen("late", "workspace-observed")[0]["uid"]
    stored = max(world.checkpoints(uid))
    late = holder_of_the_lease(world, uid)
    os.kill(late, signal.SIGSTOP)
    try:
        world.wait_for("late", "image-pushed")
        assert holder_of_the_lease(world, uid) != late
    finally:
        os.kill(late, signal.SIGCONT)
    promise_is_kept(world, "late", uid, stored, begins_anew=True)
    bus = BusView(world.stack)
    assert len([name for name in bus.objects(f"ws-{uid}") if name.startswith("adapter/")]) == 1
    bus.close()
