"""The local stack as processes, for the pipeline tests: `tunesmith up` and what one asks of it."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

BIN = pathlib.Path(os.environ["TUNESMITH_BIN"])


class FileHost:
    """The model hub and the data host: a folder over HTTP, with faults on demand."""

    def __init__(self, folder: pathlib.Path):
        self.process = subprocess.Popen(
            [BIN / "tunesmith-filehost", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.port = json.loads(self.process.stdout.readline())["port"]

    def set_faults(self, *faults: dict) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_control/faults", data=json.dumps(faults).encode(), method="PUT"
        )
        urllib.request.urlopen(request, timeout=30).read()

    def revision(self, repository: str) -> str:
        """The commit under which the hub serves this model."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/models/{repository}", timeout=30) as answer:
            return json.load(answer)["sha"]

    def requests(self) -> list[dict]:
        """What was asked, as it was answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_control/requests", timeout=30) as answer:
            return json.load(answer)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


class Events:
    """Follows `tunesmith events -f -o json`, of one Workspace or of all, and lets a test wait for one."""

    def __init__(self, stack: "Stack", name: str = ""):
        self.seen: list[dict] = []
        self._queue: queue.Queue = queue.Queue()
        self._process = stack.start("events", *([name] if name else []), "-f", "-o", "json")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._queue.put(json.loads(line))

    def wait_for(self, token: str, where=lambda event: True, seconds: float = 240) -> dict:
        """The first event of this type that fulfils the condition, seen already or still to come."""
        for event in self.seen:
            if event["event"] == token and where(event):
                return event
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {token} within {seconds} s; seen: {[e['event'] for e in self.seen]}") from None
            self.seen.append(event)
            if event["event"] == token and where(event):
                return event

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Stack:
    """`settings` are the services' own, by the names of their variables (TUNESMITH_…); `bin` holds the programs."""

    def __init__(
        self,
        home: pathlib.Path,
        file_host: FileHost,
        checkpoint_interval: str = "1s",
        settings: dict[str, str] | None = None,
        bin: pathlib.Path = BIN,
    ):
        self.home = home
        self.file_host = file_host
        self.bin = bin
        self.settings = settings or {}
        # Settings of the services are overridden by the environment they inherit.
        self.environment = {
            **os.environ,
            "TUNESMITH_HOME": str(home),
            "TUNESMITH_CHECKPOINT_INTERVAL": checkpoint_interval,
            "TUNESMITH_THREADS": "1",
        }

    def up(self, *arguments: str) -> None:
        address = f"127.0.0.1:{self.file_host.port}"
        self.run(
            "up",
            *arguments,
            "--model-hub", "http://hub.tunesmith.internal",
            "--allow-data-host", "data.tunesmith.internal",
            "--connect-to", f"data.tunesmith.internal:80={address}",
            "--connect-to", f"hub.tunesmith.internal:80={address}",
            settings=self.settings,
        )  # fmt: skip

    def down(self) -> None:
        self.run("down")

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        check: bool = True,
        seconds: float = 180,
        settings: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [self.bin / "tunesmith", *arguments],
            env={**self.environment, **(settings or {})}, input=stdin, capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"tunesmith {' '.join(arguments)} → {done.returncode}\n{done.stdout}{done.stderr}{self.logs()}")
        return done

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.bin / "tunesmith", *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def apply(self, manifest: str) -> str:
        return self.run("apply", "-f", "-", stdin=manifest).stdout

    def watch(self, name: str, seconds: float = 600) -> int:
        """Until it succeeded (0) or failed (1)."""
        return self.run("watch", name, check=False, seconds=seconds).returncode

    def write_secret(self, name: str, content: str) -> None:
        secret = self.home / "secrets/default" / name
        with tempfile.NamedTemporaryFile("w", dir=secret.parent, delete=False) as fresh:  # 0600 from the beginning
            fresh.write(content)
        os.replace(fresh.name, secret)

    def status(self, name: str) -> dict:
        return json.loads(self.run("get", "workspace", name, "-o", "json").stdout)["status"]

    def waits_for(self, name: str, reason: str, seconds: float = 60) -> str:
        """The message of what the Workspace waits for, as soon as its status says that reason."""
        deadline = time.monotonic() + seconds
        while (waiting := self.status(name).get("waiting") or {}).get("reason") != reason:
            assert time.monotonic() < deadline, f"{name} does not say {reason} but {waiting}\n{self.logs()}"
            time.sleep(0.1)
        return waiting["message"]

    def facts(self) -> dict:
        return json.loads((self.home / "stack.json").read_text())

    def pid_of(self, child: str) -> int:
        """Of the running child; one that just died is waited for."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            pid = next(c["pid"] for c in self.facts()["children"] if c["name"] == child)
            if pid > 0:
                return pid
            time.sleep(0.05)  # the supervisor writes stack.json when it starts it again
        raise AssertionError(f"{child} is not running\n{self.logs()}")

    def signal(self, child: str, number: signal.Signals) -> int:
        pid = self.pid_of(child)
        os.kill(pid, number)
        return pid

    def kill(self, child: str) -> int:
        return self.signal(child, signal.SIGKILL)

    def engines(self) -> list[int]:
        """Process ids of the engines that this stack's worker runs."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if entry.name.isdigit() and command[0].endswith(b"tunesmith-engine") and str(self.home).encode() in b" ".join(command):
                found.append(int(entry.name))
        return found

    def logs(self) -> str:
        tails = []
        for log in sorted((self.home / "logs").glob("*.log")):
            tails.append(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        return "\n".join(tails)
