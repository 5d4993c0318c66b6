"""One cell of the matrix: a Workspace is brought into a stage, a fault strikes, and the promise is looked at afterwards."""

import time
from dataclasses import dataclass, field

from bus_view import BusView
from faults import Fault
from stages import Stage, waiting_reason
from world import SECONDS, World, until


@dataclass
class Outcome:
    fault: str
    stage: str
    seconds: float  # from the strike to the image
    failed: bool = False
    attempts: int = 0
    steps_repeated: int = 0
    incidents: list[str] = field(default_factory=list)


def run_cell(world: World, name: str, fault_name: str, fault: Fault, stage_name: str, stage: Stage) -> Outcome:
    bus = BusView(world.stack)
    dead_letters = bus.messages("TUNESMITH_DLQ")
    bus.close()
    stage.enter(world, name)
    if stage.waits:
        waiting_reason(world, name)
    uid = world.seen(name, "workspace-observed")[0]["uid"]
    stored = max(world.checkpoints(uid), default=0) if stage_name == "training" else 0
    struck = time.monotonic()
    fault.strike(world)
    stage.leave(world)
    time.sleep(fault.seconds)  # the length of a fault is what is tested
    fault.heal(world)
    world.wait_for(name, "image-pushed", seconds=SECONDS)
    seconds = time.monotonic() - struck
    repeated = promise_is_kept(world, name, uid, stored, fault.ends_attempts and stage_name == "training")
    bus = BusView(world.stack)
    assert bus.messages("TUNESMITH_DLQ") == dead_letters
    bus.close()
    status = world.status(name)
    incidents = sorted({i["reason"] for i in status.get("incidents", [])})
    if stage_name == "training" and fault.incident:
        assert fault.incident in incidents
    return Outcome(
        fault=fault_name,
        stage=stage_name,
        seconds=seconds,
        attempts=int(status["tuning"]["attempt"]),
        steps_repeated=repeated,
        incidents=incidents,
    )


def promise_is_kept(world: World, name: str, uid: str, stored: int, begins_anew: bool) -> int:
    """One image, trained once, from the newest checkpoint, and nothing left behind; returns how many steps were made again."""
    until(lambda: world.status(name).get("state") == "Succeeded", f"{name} is Succeeded")
    assert len({e["data"]["digest"] for e in world.seen(name, "image-pushed")}) == 1
    assert len({e["data"]["adapter"]["name"] for e in world.seen(name, "adapter-ready")}) == 1
    bus = BusView(world.stack)
    assert len([key for key in bus.keys("results") if key.startswith(uid)]) == 1
    assert len([o for o in bus.objects(f"ws-{uid}") if o.startswith("adapter/")]) >= 1
    bus.close()
    until(lambda: not world.stack.engines(), "no engine runs")
    until(lambda: not list((world.home / "work").glob(f"**/{uid}*")), "the work folders are gone")
    until(lambda: not holds_a_worker(world, uid), "its worker is free")
    starts = sorted(world.seen(name, "tuning-started"), key=lambda e: int(e["data"]["attempt"]))
    if begins_anew:
        assert int(starts[-1]["data"].get("resumed_step", 0)) >= stored, "steps before the newest checkpoint were made again"
    return sum(steps_made_again(world, name, before, after) for before, after in zip(starts, starts[1:]))


def steps_made_again(world: World, name: str, before: dict, after: dict) -> int:
    """Between the last step that an attempt told of and the one that the next began with."""
    attempt = before["data"]["attempt"]
    told = [int(e["data"].get("step", 0)) for e in world.seen(name, "tuning-progressed") if e["data"]["attempt"] == attempt]
    return max(0, max(told, default=0) - int(after["data"].get("resumed_step", 0)))


def holds_a_worker(world: World, uid: str) -> bool:
    return any(claim["uid"] == uid for node in world.inventory() for claim in node["assigned"] + node["waiting"])
