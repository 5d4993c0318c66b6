"""The table of waits in docs/operations.md is what the services really read, with the defaults they really have."""

import os
import pathlib
import re
import subprocess
import typing

import pytest

BIN = pathlib.Path(os.environ["TUNESMITH_BIN"])
ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ("watcher", "planner", "provisioner", "image-builder", "gpu-worker")
# Where a key of all services, or of the HTTP client, is described once.
SHARED_READMES = ("bus", "runtime")


class Row(typing.NamedTuple):
    wait: str
    services: tuple[str, ...]
    key: str
    default: str


def table() -> list[Row]:
    rows = []
    inside = False
    for line in (ROOT / "docs/operations.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| wait | service | key | default"):
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not cells[0].startswith("---"):
            services = SERVICES if cells[1] == "every service" else tuple(cells[1].split(", "))
            rows.append(Row(cells[0], services, cells[2].strip("`"), cells[3].strip("`")))
    return rows


def keys_of(service: str) -> dict[str, tuple[str, str]]:
    """key → (kind, default), as the service itself says"""
    said = subprocess.run(
        [BIN / f"tunesmith-{service}", "--list-config"], capture_output=True, text=True, check=True, env={}
    ).stdout
    return {key: (kind, default) for key, kind, default in (line.split("\t") for line in said.splitlines())}


@pytest.fixture(scope="module")
def keys():
    return {service: keys_of(service) for service in SERVICES}


def test_every_row_is_read_with_that_default(keys):
    rows = [row for row in table() if row.key != "—"]
    assert len(rows) > 15
    for row in rows:
        for service in row.services:
            assert row.key in keys[service], f"{service} does not read {row.key} ({row.wait})"
            assert keys[service][row.key][1] == row.default, f"default of {row.key} of {service}"


@pytest.mark.parametrize("service", SERVICES)
def test_every_duration_that_is_read_has_a_row(keys, service):
    listed = {row.key for row in table() if service in row.services}
    durations = {key for key, (kind, _) in keys[service].items() if kind == "duration"}
    assert durations - listed == set()
    assert len(durations) >= 2


@pytest.mark.parametrize("service", SERVICES)
def test_every_duration_stands_in_a_readme(keys, service):
    own = (ROOT / "services" / service / "README.md").read_text()
    shared = "\n".join((ROOT / "services" / name / "README.md").read_text() for name in SHARED_READMES)
    for key, (kind, default) in keys[service].items():
        if kind != "duration":
            continue
        lines = [line for line in (own + "\n" + shared).splitlines() if f"`{key}`" in line]
        assert any(re.search(rf"\b{default}\b", line) for line in lines), f"{service}: {key} (default {default})"
