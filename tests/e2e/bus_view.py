"""Looks into the stack's JetStream from outside, over the plain NATS protocol: what the tests say of the bus is read from the server itself."""

import base64
import json
import socket


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
        body = json.dumps(request).encode()
        self.socket.sendall(f"PUB $JS.API.{subject} _INBOX_admin.view {len(body)}\r\n".encode() + body + b"\r\n")
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

    def close(self) -> None:
        self.socket.close()
