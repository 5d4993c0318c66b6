"""A TCP proxy on loopback that cuts, holds and slows what goes through it.

Two threads per connection, one per direction. `cut` and `hold` are for ever for the connections they hit: what is let
through again are new connections, as after a router that lost its table.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class Connection:
    def __init__(self, client: socket.socket, server: socket.socket | None):
        self.client, self.server = client, server
        self.name = ""  # what a NATS client calls itself
        self.held = threading.Event()

    def close(self) -> None:
        for end in (self.client, self.server):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


class TcpProxy:
    """`upstream` is asked for the server's port at each connection: the server may not be there yet."""

    def __init__(self, upstream: Callable[[], int]):
        self._upstream = upstream
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._mode = "open"
        self._slow: dict[str, int] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections; new ones are ended as soon as they come."""
        self._change("cut", lambda connection: connection.close())

    def hold(self) -> None:
        """Nothing moves any more, and nobody is told: connections stay half open."""
        self._change("held", lambda connection: connection.held.set())

    def open(self) -> None:
        """New connections go through."""
        self._change("open", lambda connection: None)

    def slow(self, name: str, bytes_per_second: int) -> None:
        """What the NATS client of this name sends; 0 = as fast as it goes."""
        self._slow[name] = bytes_per_second

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _change(self, mode: str, strike: Callable[[Connection], None]) -> None:
        with self._lock:
            self._mode = mode
            for connection in self._connections:
                strike(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        connection = Connection(client, None)
        with self._lock:
            self._connections.append(connection)
            mode = self._mode
        if mode == "held":
            return  # accepted, and never a word
        try:
            if mode == "open":
                connection.server = socket.create_connection(("127.0.0.1", self._upstream()), timeout=10)
                connection.server.settimeout(None)
        except OSError:
            pass
        if connection.server is None:
            connection.close()
            return
        back = threading.Thread(target=self._pump, args=(connection, connection.server, client), daemon=True)
        back.start()
        self._pump(connection, client, connection.server)
        back.join()
        with self._lock:
            if not connection.held.is_set():
                self._connections.remove(connection)

    def _pump(self, connection: Connection, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(16384):
                if connection.held.is_set():
                    return  # swallowed; both ends stay open
                if source is connection.client:
                    self._pay(connection, piece)
                target.sendall(piece)
        if not connection.held.is_set():
            connection.close()

    def _pay(self, connection: Connection, piece: bytes) -> None:
        if not connection.name and (at := piece.find(b'"name":"')) >= 0:
            connection.name = piece[at + 8 :].split(b'"', 1)[0].decode()
        rate = self._slow.get(connection.name, 0)
        if rate:
            time.sleep(len(piece) / rate)  # this is what slow means
