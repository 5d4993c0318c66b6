"""Looks into the stack's JetStream from outside, over the plain NATS protocol: what the tests say of the bus is read from the server itself."""

import base64
import json
import socket
import time


class BusView:
    def __init__(self, stack):
        facts = stack.facts()["nats"]
        password = (stack.home / "auth/nats-admin").read_text().strip()
        self.socket = socket.create_connection(("127.0.0.1", facts["port"]), timeout=30)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "user": "admin", "pass": password}
        self.socket.sendall(f"CONNECT {json.dumps(options)}\r\nSUB _INBOX_admin.view 1\r\n".encode())

    def ask(self, subject: str, request: dict) -> dict:
        """One request of the JetStream API, its answer as JSON."""
        return self._request(f"$JS.API.{subject}", json.dumps(request).encode())

    def _request(self, subject: str, body: bytes) -> dict:
        self.socket.sendall(f"PUB {subject} _INBOX_admin.view {len(body)}\r\n".encode() + body + b"\r\n")
        while True:
            line = self.lines.readline().split()
            if line[0] == b"PING":
                self.socket.sendall(b"PONG\r\n")
            elif line[0] == b"MSG":
                return json.loads(self.lines.read(int(line[-1]) + 2))
            else:
                raise AssertionError(f"nats-server says {line}")

    def streams(self) -> set[str]:
        return set(self.ask("STREAM.NAMES", {})["streams"])

    def keys(self, bucket: str) -> set[str]:
        """The live keys of a key-value bucket: a key whose last message is a delete marker is none."""
        answer = self.ask(f"STREAM.INFO.KV_{bucket}", {"subjects_filter": ">"})
        subjects = answer["state"].get("subjects") or {}
        return {subject.split(".", 2)[2] for subject in subjects if not self._is_deleted(bucket, subject)}

    def _is_deleted(self, bucket: str, subject: str) -> bool:
        message = self.ask(f"STREAM.MSG.GET.KV_{bucket}", {"last_by_subj": subject})["message"]
        return b"KV-Operation" in base64.b64decode(message.get("hdrs", ""))

    def value(self, bucket: str, key: str) -> str | None:
        """What a key-value bucket holds under this key."""
        answer = self.ask(f"STREAM.MSG.GET.KV_{bucket}", {"last_by_subj": f"$KV.{bucket}.{key}"})
        message = answer.get("message")
        if message is None or b"KV-Operation" in base64.b64decode(message.get("hdrs", "")):
            return None
        return base64.b64decode(message.get("data", "")).decode()

    def messages(self, stream: str) -> int:
        return self.ask(f"STREAM.INFO.{stream}", {})["state"]["messages"]

    def objects(self, bucket: str) -> set[str]:
        """Names of the objects in a bucket; none when there is no such bucket."""
        answer = self.ask(f"STREAM.INFO.OBJ_{bucket}", {"subjects_filter": f"$O.{bucket}.M.>"})
        subjects = answer.get("state", {}).get("subjects") or {}
        return {base64.urlsafe_b64decode(subject.rsplit(".", 1)[1]).decode() for subject in subjects}

    def wait_for_message(self, subject: str, seconds: float = 120) -> bytes:
        """The payload of the next message on this subject, as the server passes it on."""
        self.socket.sendall(f"SUB {subject} 2\r\n".encode())
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            line = self.lines.readline().split()
            if line[0] == b"PING":
                self.socket.sendall(b"PONG\r\n")
            elif line[0] in (b"MSG", b"HMSG"):
                self.socket.sendall(b"UNSUB 2\r\n")
                return self.lines.read(int(line[-1]) + 2)[:-2]

    def fill(self, stream: str, until_bytes: int) -> None:
        """Stores rubbish in a stream of that name until the account holds so much, or the server takes no more."""
        self.ask(f"STREAM.CREATE.{stream}", {"name": stream, "subjects": ["rubbish"], "storage": "file", "max_bytes": -1})
        while (left := until_bytes - self.ask("INFO", {})["storage"]) > 0:
            if "error" in self._request("rubbish", b"x" * min(left, 500_000)):
                return

    def close(self) -> None:
        self.socket.close()
