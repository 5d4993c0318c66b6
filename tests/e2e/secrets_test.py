"""Where secrets may be found after a run, and nowhere else: everything that it leaves is searched for them."""

import base64
import contextlib
import gzip
import json
import pathlib
import threading
import urllib.parse

import pytest
import yaml

from bus_view import BusView
from workspaces import manifest

SAS = "sv=1&sig=SASsignature0123456789"
DATA_TOKEN = "DataTokenOfTheUser0123456789"
WRONG_PASSWORD = "WrongPasswordOfTheUser0123456789"
URL = f"http://data.tunesmith.internal/data/train.parquet?{SAS}"

# Where each secret may lie below the stack's folder (beginnings of paths), by its name.
SAS_MAY_STAND_IN = [
    "nats/jetstream/$G/streams/TUNESMITH/",  # events that carry a plan (docs/security.md)
    "nats/jetstream/$G/streams/KV_plans/",
    "nats/jetstream/$G/streams/KV_workspaces/",  # the user's own object
]


def forms(secret: str) -> set[bytes]:
    """What a secret may look like when it leaks."""
    plain = secret.encode()
    return {plain, base64.b64encode(plain).rstrip(b"="), plain.hex().encode(), urllib.parse.quote(secret, safe="").encode()}


class Watcher:
    """Reads command line and environment of every process of a stack again and again."""

    def __init__(self, stack):
        self.home = str(stack.home).encode()
        self.supervisor = stack.facts()["supervisor"]["pid"]
        self.seen: dict[bytes, bytes] = {}  # text → command line
        self.core_limits: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _descendants(self) -> list[int]:
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        family = [self.supervisor]
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid]
        return family

    def _look(self) -> None:
        for pid in self._descendants():
            with contextlib.suppress(OSError):
                folder = pathlib.Path(f"/proc/{pid}")
                command = (folder / "cmdline").read_bytes()
                self.seen[command] = command
                self.seen[(folder / "environ").read_bytes()] = command
                limits = (folder / "limits").read_text()
                self.core_limits.add(next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4])

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self._look()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def world_after_runs(module_stack):
    """One Workspace that succeeds and two that fail at what is secret; what people asked meanwhile."""
    stack = module_stack
    stack.write_secret("data-token", json.dumps({"token": DATA_TOKEN}))
    login = base64.b64encode(f"demo:{WRONG_PASSWORD}".encode()).decode()
    stack.write_secret("wrong", json.dumps({"auths": {"registry.tunesmith.internal": {"auth": login}}}))
    watcher = Watcher(stack)
    said = []
    for name, more in {
        "good": {"url": URL},
        "denied": {"url": URL, "secret": "wrong"},
        "missing": {"url": f"http://data.tunesmith.internal/data/none.parquet?{SAS}"},
    }.items():
        documents = list(yaml.safe_load_all(manifest(name, **more)))
        documents[0]["metadata"]["annotations"] = {"tunesmith.dev/data-secret": "data-token"}
        said.append(stack.apply(yaml.safe_dump_all(documents)))
        done = stack.run("watch", name, check=False)
        assert done.returncode == (0 if name == "good" else 1), done.stdout + done.stderr + stack.logs()
        said += [done.stdout, done.stderr]
        for command in (["describe", name], ["events", name], ["events", name, "-o", "json"], ["get", "workspace", name, "-o", "wide"]):
            answer = stack.run(*command)
            said += [answer.stdout, answer.stderr]
        said.append(json.dumps(stack.status(name)))
    said.append(stack.run("dlq", "list", "-o", "json").stdout)
    watcher.close()
    return stack, watcher, "\n".join(said).encode()


def secrets_of(stack) -> dict[str, tuple[set[bytes], list[str]]]:
    """name → (its forms, where it may stand)"""
    push = (stack.home / "auth/registry-password").read_text().strip()
    found = {
        "SAS query": ({SAS.split("sig=")[1].encode()}, SAS_MAY_STAND_IN),
        "data token": (forms(DATA_TOKEN), ["secrets/default/data-token"]),
        "wrong password": (forms(WRONG_PASSWORD) | forms(f"demo:{WRONG_PASSWORD}"), ["secrets/default/wrong"]),
        "push password": (forms(push) | forms(f"demo:{push}"), ["auth/registry-password", "secrets/default/demo-registry"]),
    }
    for file in (stack.home / "auth").glob("nats-*"):
        found[file.name] = (forms(file.read_text().strip()), [f"auth/{file.name}"])
    assert len(found) == 4 + 7
    return found


def test_no_file_holds_a_secret_but_those_made_for_it(world_after_runs):
    stack, _, _ = world_after_runs
    secrets = secrets_of(stack)
    files = {path.relative_to(stack.home): path for path in stack.home.rglob("*") if path.is_file()}
    assert any("registry/data" in str(name) for name in files) and any("logs/" in str(name) for name in files)
    at_home = set()
    for name, path in files.items():
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content += gzip.decompress(content)
        for secret, (shapes, allowed) in secrets.items():
            if any(shape in content for shape in shapes):
                assert str(name).startswith(tuple(allowed)), f"{secret} stands in {name}"
                at_home.add(secret)
    assert at_home == set(secrets), "the search finds each secret where it belongs"


def test_nothing_that_people_are_shown_holds_a_secret(world_after_runs):
    stack, _, said = world_after_runs
    assert b"Succeeded" in said and b"PushDenied" in said
    for secret, (shapes, _) in secrets_of(stack).items():
        assert not any(shape in said for shape in shapes), secret


def test_the_status_holds_no_secret_and_the_plan_bearing_events_only_the_query(world_after_runs):
    stack, _, _ = world_after_runs
    bus = BusView(stack)
    for name in ("good", "denied", "missing"):
        answer = bus.ask("STREAM.MSG.GET.KV_workspaces", {"last_by_subj": f"$KV.workspaces.status.default.{name}"})
        status = base64.b64decode(answer["message"]["data"])
        for secret, (shapes, _) in secrets_of(stack).items():
            assert not any(shape in status for shape in shapes), f"{secret} in the status of {name}"
    bus.close()


def test_no_command_line_or_environment_holds_a_secret(world_after_runs):
    stack, watcher, _ = world_after_runs
    assert any(b"tunesmith-engine" in command for command in watcher.seen.values())
    for secret, (shapes, _) in secrets_of(stack).items():
        for text, command in watcher.seen.items():
            assert not any(shape in text for shape in shapes), f"{secret} in a process: {command}"


def test_no_process_may_dump_its_core(world_after_runs):
    _, watcher, _ = world_after_runs
    assert watcher.core_limits == {"0"}


def test_what_the_stack_writes_is_its_owners_alone(world_after_runs):
    stack, _, _ = world_after_runs
    for path in [stack.home, *stack.home.rglob("*")]:
        assert path.lstat().st_mode & 0o077 == 0 or path.is_symlink(), f"{path} has mode {oct(path.lstat().st_mode)}"


def test_nobody_did_what_the_bus_does_not_permit(world_after_runs):
    stack, _, _ = world_after_runs
    for log in (stack.home / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        assert "Permissions Violation" not in text and "BusNotPermitted" not in text, log.name
