"""The stages of a Workspace: how each is kept open by the world outside, how it is seen on the bus, and how it is let go.

A stage's `enter` applies the Workspace and returns when its event was seen. `leave` takes away what kept it there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bus_view import BusView
from workspaces import LONG, manifest
from world import World, until


@dataclass
class Stage:
    enter: Callable[[World, str], None]
    leave: Callable[[World], None]
    waits: bool  # on something outside, whose name must stand in the status


def waiting_reason(world: World, name: str) -> str:
    return until(lambda: world.status(name).get("waiting", {}).get("reason"), f"{name} says what it waits for")


def enter_planning(world: World, name: str) -> None:
    world.nothing_can_be_fetched()
    world.stack.apply(manifest(name))
    world.wait_for(name, "plan-pending")


def enter_checking(world: World, name: str) -> None:
    world.registry.cut()
    world.stack.apply(manifest(name))
    world.wait_for(name, "image-push-progressed", lambda data: "waiting" in data)


def enter_waiting(world: World, name: str) -> None:
    """The only worker is busy with another, whose model does not come."""
    world.model_cannot_be_fetched()
    world.stack.apply(manifest(f"{name}-before"))
    world.wait_for(f"{name}-before", "nodes-ready")
    world.stack.apply(manifest(name))
    world.wait_for(name, "nodes-pending")


def enter_downloading(world: World, name: str) -> None:
    world.model_cannot_be_fetched()
    world.stack.apply(manifest(name))
    world.wait_for(name, "tuning-progressed", lambda data: data.get("phase") == "Downloading" and "waiting" in data)


def enter_training(world: World, name: str) -> None:
    """Until a checkpoint is stored: what comes after must not fall behind it."""
    bus = BusView(world.stack)
    world.stack.apply(manifest(name, steps=LONG))
    uid = world.wait_for(name, "tuning-started")["uid"]
    if not world.checkpoints(uid):
        bus.wait_for_message(f"$O.ws-{uid}.M.>")
    bus.close()
    world.wait_for(name, "tuning-progressed", lambda data: int(data.get("step", 0)) > 0)


def enter_storing(world: World, name: str) -> None:
    """An adapter of half a MiB over a slow line."""
    world.bus.slow("gpu-worker", 128 << 10)
    world.stack.apply(manifest(name, rank=64))
    world.wait_for(name, "tuning-progressed", lambda data: data.get("phase") == "Storing")


def enter_pushing(world: World, name: str) -> None:
    """The model is held until the registry is gone: it was there for the check."""
    enter_downloading(world, name)
    world.registry.cut()
    world.all_can_be_fetched()
    world.wait_for(name, "adapter-ready")
    world.wait_for(name, "image-push-progressed", lambda data: "waiting" in data)


STAGES = {
    "planning": Stage(enter_planning, World.all_can_be_fetched, waits=True),
    "checking": Stage(enter_checking, lambda world: world.registry.open(), waits=True),
    "waiting": Stage(enter_waiting, World.all_can_be_fetched, waits=True),
    "downloading": Stage(enter_downloading, World.all_can_be_fetched, waits=True),
    "training": Stage(enter_training, lambda world: None, waits=False),
    "storing": Stage(enter_storing, lambda world: world.bus.slow("gpu-worker", 0), waits=False),
    "pushing": Stage(enter_pushing, lambda world: world.registry.open(), waits=True),
}
