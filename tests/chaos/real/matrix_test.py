"""Fault × stage: whatever is killed, paused, cut off or wrong about the time, the Workspace ends in one image, trained once.

TUNESMITH_CHAOS=full runs all cells of matrix.yaml and writes what they measured to the file TUNESMITH_CHAOS_OUTCOMES.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import subprocess

import pytest
import yaml

from cell import Outcome, run_cell
from faults import FAULTS, programs_with_clocks
from stages import STAGES
from world import World

MATRIX = yaml.safe_load((pathlib.Path(__file__).parent / "matrix.yaml").read_text())
FULL = os.environ.get("TUNESMITH_CHAOS") == "full"


def cells(needs_clocks: bool) -> list[tuple[str, str]]:
    if not FULL:
        chosen = [(cell["fault"], cell["stage"]) for cell in MATRIX["short"]]
    else:
        # Stage by stage: see matrix.yaml on neighbours.
        chosen = [
            (row["fault"], stage)
            for stage in MATRIX["stages"]
            for row in MATRIX["full"]
            if stage in row.get("stages", MATRIX["stages"])
        ]
    return [(fault, stage) for fault, stage in chosen if (" h " in fault) == needs_clocks]


@pytest.fixture(scope="module")
def record():
    """Keeps what a cell measured, for the table; a run that is ended in the middle keeps what it has."""
    measured: list[Outcome] = []

    def add(outcome: Outcome) -> None:
        measured.append(outcome)
        if path := os.environ.get("TUNESMITH_CHAOS_OUTCOMES"):
            pathlib.Path(path).write_text(json.dumps([dataclasses.asdict(o) for o in measured], indent=1))

    return add


@pytest.fixture(scope="module")
def world():
    there = World()
    yield there
    there.close()


@pytest.fixture(scope="module")
def world_with_clocks(tmp_path_factory):
    there = World(bin=programs_with_clocks(tmp_path_factory.mktemp("programs")))
    yield there
    there.close()


def check(world: World, record, fault: str, stage: str) -> None:
    name = f"{fault} {stage}".replace(" ", "-")
    try:
        record(run_cell(world, name, fault, FAULTS[fault], stage, STAGES[stage]))
    except AssertionError as failed:
        record(Outcome(fault, stage, seconds=0, failed=True))
        raise AssertionError(f"{failed}\n{world.story(name)}") from failed
    finally:
        world.heal()


def test_the_clocks_are_really_wrong(tmp_path):
    """What a service writes into its log: else the cells below would prove nothing."""
    programs = programs_with_clocks(tmp_path)
    (programs / "planner.clock").write_text("+6h")
    said = subprocess.run([programs / "tunesmith-planner", "--config", "/nonexistent"], capture_output=True, text=True).stderr
    told = datetime.datetime.fromisoformat(json.loads(said.splitlines()[0])["time"])
    assert told - datetime.datetime.now(datetime.UTC) > datetime.timedelta(hours=5)


@pytest.mark.parametrize(("fault", "stage"), cells(needs_clocks=False))
def test_it_ends_in_one_image_trained_once(world, record, fault, stage):
    check(world, record, fault, stage)


@pytest.mark.parametrize(("fault", "stage"), cells(needs_clocks=True))
def test_a_wrong_clock_changes_nothing(world_with_clocks, record, fault, stage):
    check(world_with_clocks, record, fault, stage)
