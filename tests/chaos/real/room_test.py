"""No room: on the disk of the worker's cache, in JetStream. The status names it while it lasts; with room, all goes on by itself."""

import errno
import pathlib

import pytest

from bus_view import BusView
from cell import promise_is_kept
from matrix_test import FULL
from stages import enter_downloading, waiting_reason
from workspaces import manifest
from world import SMALL_BUS_BYTES, World, until


@pytest.fixture(scope="module")
def world():
    there = World(small=True)
    yield there
    there.close()


def fill(folder: pathlib.Path) -> pathlib.Path:
    """Until not one byte more has room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"x" * 65536)
        except OSError as full:
            assert full.errno == errno.ENOSPC
    return filler


def waits_for(world: World, name: str, reason: str) -> None:
    until(lambda: world.status(name).get("waiting", {}).get("reason") == reason, f"{name} says that it waits for {reason}")


def ends_well(world: World, name: str) -> None:
    world.wait_for(name, "image-pushed")
    promise_is_kept(world, name, world.seen(name, "workspace-observed")[0]["uid"], stored=0, begins_anew=False)


def test_a_full_cache(world):
    enter_downloading(world, "full-cache")
    filler = fill(world.cache)
    world.all_can_be_fetched()
    waits_for(world, "full-cache", "DiskFull")
    filler.unlink()
    ends_well(world, "full-cache")
    assert len(world.seen("full-cache", "tuning-started")) == 1


def test_jetstream_without_room_for_the_adapter(world):
    """Events and status have their reserve: they say what is missing."""
    enter_downloading(world, "full-store")
    bus = BusView(world.stack)
    bus.fill("FILLER", SMALL_BUS_BYTES // 10 * 9)
    world.all_can_be_fetched()
    waits_for(world, "full-store", "StorageFull")
    bus.ask("STREAM.DELETE.FILLER", {})
    bus.close()
    ends_well(world, "full-store")
    assert len(world.seen("full-store", "tuning-started")) == 1


if FULL:

    def test_jetstream_full_to_the_brim(world):
        """Nothing can be said then; nothing may be lost either."""
        enter_downloading(world, "brim")
        assert waiting_reason(world, "brim")
        bus = BusView(world.stack)
        bus.fill("FILLER", SMALL_BUS_BYTES + (1 << 20))
        world.all_can_be_fetched()
        log = world.home / "logs/gpu-worker.log"
        until(lambda: "lease expired" in log.read_text(), "the worker meets the limit")
        bus.ask("STREAM.DELETE.FILLER", {})
        bus.close()
        ends_well(world, "brim")
