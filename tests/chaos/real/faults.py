"""What is done to a running stack, and undone.

A fault strikes at once. What has a length (a pause, a cut) is healed when the length is over; what dies is started
again by the supervisor, nobody heals it.
"""

import os
import pathlib
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass

from stack import BIN
from world import SERVICES, World, until

# Longer than the ack wait and the lease that the tests configure.
PAUSE_SECONDS = 8
CUT_SECONDS = 3
CLOCK_HOURS = 6


@dataclass
class Fault:
    strike: Callable[[World], None]
    heal: Callable[[World], None] = lambda world: None
    seconds: float = 0  # between the two
    ends_attempts: bool = False  # a training that is under way begins anew, from its newest checkpoint
    incident: str = ""  # what the status then says of it


def kill(child: str) -> Fault:
    is_worker = child == "gpu-worker"
    return Fault(lambda world: world.stack.kill(child), ends_attempts=is_worker, incident="WorkerLost" if is_worker else "")


def kill_engine(world: World) -> None:
    os.kill(until(world.stack.engines, "an engine runs")[0], signal.SIGKILL)


def pause(child: str) -> Fault:
    return Fault(
        lambda world: world.stack.signal(child, signal.SIGSTOP),
        lambda world: world.stack.signal(child, signal.SIGCONT),
        PAUSE_SECONDS,
        ends_attempts=child == "gpu-worker",
    )


def clock(service: str, hours: int) -> Fault:
    return Fault(lambda world: set_clock(world, service, hours), lambda world: set_clock(world, service, 0), CUT_SECONDS)


def set_clock(world: World, service: str, hours: int) -> None:
    (world.stack.bin / f"{service}.clock").write_text(f"{hours:+d}h")


def registry_is_held(seconds: float) -> Fault:
    return Fault(lambda world: world.registry.cut(), lambda world: world.registry.open(), seconds)


FAULTS = {
    "nothing": Fault(lambda world: None),
    **{f"kill {child}": kill(child) for child in [*SERVICES, "nats-server", "registry"]},
    "kill engine": Fault(kill_engine, ends_attempts=True, incident="EngineKilled"),
    **{f"pause {child}": pause(child) for child in [*SERVICES, "nats-server", "registry"]},
    "cut the bus": Fault(lambda world: world.bus.cut(), lambda world: world.bus.open(), CUT_SECONDS),
    "hold the bus": Fault(lambda world: world.bus.hold(), lambda world: world.bus.open(), PAUSE_SECONDS),
    "cut the registry": Fault(lambda world: world.registry.cut(), lambda world: world.registry.open(), CUT_SECONDS),
    "hold the registry": Fault(lambda world: world.registry.hold(), lambda world: world.registry.open(), PAUSE_SECONDS),
    **{f"{service} is {CLOCK_HOURS} h ahead": clock(service, CLOCK_HOURS) for service in SERVICES},
    **{f"{service} is {CLOCK_HOURS} h behind": clock(service, -CLOCK_HOURS) for service in SERVICES},
}


def programs_with_clocks(folder: pathlib.Path) -> pathlib.Path:
    """A folder of programs like BIN, in which each service reads its wall clock's offset from `<service>.clock`.

    Only the wall clock is wrong: the monotonic one cannot be set on a real machine either.
    """
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    for program in BIN.iterdir():
        (folder / program.name).symlink_to(program)
    # `up` looks for the services beside itself: a link would lead back to BIN.
    (folder / "tunesmith").unlink()
    shutil.copy(BIN / "tunesmith", folder / "tunesmith")
    for service in SERVICES:
        (folder / f"{service}.clock").write_text("+0h")
        wrapper = folder / f"tunesmith-{service}"
        wrapper.unlink()
        wrapper.write_text(
            "#!/bin/sh\n"
            f"export LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={folder}/{service}.clock\n"
            "export FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\n"
            f'exec {BIN}/tunesmith-{service} "$@"\n'
        )
        wrapper.chmod(0o755)
    return folder
