"""One stack under attack: its outside (hub, data host, registry) and its bus can be held, cut and filled by the tests."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from bus_view import BusView
from stack import BIN, Events, FileHost, Stack
from tcp_proxy import TcpProxy
from tiny_model import write_tiny_model
from workspaces import REPOSITORY, write_conversations

# Shorter than the defaults (30 s, 15 s, 3 × 10 s, 60 s), so that a fault longer than each of them is still short.
WAITS = {
    "TUNESMITH_ACK_WAIT": "3s",
    "TUNESMITH_LEASE_DURATION": "6s",
    "TUNESMITH_LEASE_RENEW_EVERY": "2s",
    "TUNESMITH_NATS_PING_INTERVAL": "1s",
    "TUNESMITH_IDLE_LIMIT": "5s",
}
# Whatever must happen by itself, happens in this time, also on a machine five times slower than ours.
SECONDS = 240
SERVICES = ["watcher", "planner", "image-builder", "provisioner", "gpu-worker"]
CACHE_BYTES = 16 << 20
# What JetStream may hold where it is to be filled, and where it is not.
SMALL_BUS_BYTES, BUS_BYTES = 64 << 20, 4 << 30


class World:
    """`small`: little room in the cache, which is a file system of its own, and in JetStream."""

    def __init__(self, workers: int = 1, small: bool = False, bin: pathlib.Path = BIN):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-chaos-"))
        write_tiny_model(self.folder / "outside/models" / REPOSITORY)
        write_conversations(self.folder / "outside/data/train.parquet")
        self.home = self.folder / "stack"
        self.cache = self.home / "cache"
        self.cache.mkdir(parents=True)
        self.small = small
        if small:
            mount_small(self.cache)
        self.file_host = FileHost(self.folder / "outside")
        self.bus = TcpProxy(lambda: self.stack.facts()["nats"]["port"])
        self.registry = TcpProxy(lambda: int(self.stack.facts()["registry"]["address"].rsplit(":", 1)[1]))
        outside = f"127.0.0.1:{self.file_host.port}"
        connect_to = {
            "data.tunesmith.internal:80": outside,
            "hub.tunesmith.internal:80": outside,
            "registry.tunesmith.internal:80": f"127.0.0.1:{self.registry.port}",
        }
        settings = {
            **WAITS,
            "TUNESMITH_NATS_URL": f"nats://127.0.0.1:{self.bus.port}",
            "TUNESMITH_CONNECT_TO": json.dumps(connect_to),
        }
        self.stack = Stack(self.home, self.file_host, settings=settings, bin=bin)
        options = self.folder / "options.yaml"
        options.write_text(f"bus_storage_bytes: {SMALL_BUS_BYTES if small else BUS_BYTES}\nworkers: {workers}\n")
        self.stack.up("--config", str(options))
        self.events = Events(self.stack)

    def close(self) -> None:
        self.events.close()
        self.stack.down()
        self.bus.close()
        self.registry.close()
        self.file_host.close()
        if self.small:
            subprocess.run(["umount", self.cache], check=True)
        shutil.rmtree(self.folder)

    # What one may ask of it.

    def wait_for(self, name: str, token: str, where=lambda data: True, seconds: float = SECONDS) -> dict:
        return self.events.wait_for(token, lambda e: about(e) == name and where(e["data"]), seconds)

    def seen(self, name: str, token: str) -> list[dict]:
        return [e for e in self.events.seen if e["event"] == token and about(e) == name]

    def status(self, name: str) -> dict:
        bus = BusView(self.stack)
        try:
            return json.loads(bus.value("workspaces", f"status.default.{name}") or "{}")
        finally:
            bus.close()

    def inventory(self) -> list[dict]:
        """What the provisioner keeps of each node."""
        bus = BusView(self.stack)
        try:
            return [json.loads(bus.value("inventory", key) or "{}") for key in bus.keys("inventory")]
        finally:
            bus.close()

    def checkpoints(self, uid: str) -> list[int]:
        """Steps of the recovery checkpoints that are stored now."""
        bus = BusView(self.stack)
        try:
            return sorted(int(o.rsplit("/", 1)[1]) for o in bus.objects(f"ws-{uid}") if o.startswith("checkpoint/"))
        finally:
            bus.close()

    def story(self, name: str) -> str:
        """What one reads when a cell failed."""
        lines = [f"{e['time']} {e['id']} {json.dumps(e['data'])[:300]}" for e in self.events.seen if about(e) == name]
        return "\n".join([*lines, json.dumps(self.status(name), indent=1)[:4000], self.stack.logs()])

    # What one may do to its outside.

    def heal(self) -> None:
        """Whatever a cell left broken when it failed."""
        self.all_can_be_fetched()
        self.bus.slow("gpu-worker", 0)
        self.bus.open()
        self.registry.open()

    def model_cannot_be_fetched(self) -> None:
        """Each request for the weights ends after one byte; nothing of them is in the cache."""
        for entry in self.cache.iterdir():
            entry.unlink()
        path = f"/{REPOSITORY}/resolve/{self.file_host.revision(REPOSITORY)}/model.safetensors"
        self.file_host.set_faults({"path": path, "cut_after": 1})

    def nothing_can_be_fetched(self) -> None:
        self.file_host.set_faults({"path": "*", "status": 503})

    def all_can_be_fetched(self) -> None:
        self.file_host.set_faults()


def about(event: dict) -> str:
    return ((event["data"] or {}).get("workspace") or {}).get("name", "")


def until(question, what: str, seconds: float = SECONDS):
    """The first answer that is true; for states of the world that no event tells of."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"after {seconds} s still not: {what}")


def mount_small(folder: pathlib.Path) -> None:
    if os.geteuid() != 0:
        raise AssertionError("the cells with a full disk need root: they mount a small tmpfs on the worker's cache")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={CACHE_BYTES}", "tmpfs", folder], check=True)
