# SPDX-License-Identifier: Apache-2.0
"""Far ends for tests: an SMS provider over HTTP and a mail server, both on this machine."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self

Reply = tuple[int, str, float]
"""(HTTP status, body, seconds until it comes)"""


class FakeProvider:
    """Takes JSON `to` and `text`, or anything. `replies`: what it says, in turn; else all is well."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.replies: list[Reply] = []
        self.port = 0
        self._server: HTTPServer | None = None

    def __enter__(self) -> Self:
        self.open_port()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_port()

    def arrived(self) -> list[tuple[str, str]]:
        return list(self.messages)

    def open_port(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fake.requests.append((self.path, dict(self.headers), body))
                status, said, after_s = fake.replies.pop(0) if fake.replies else (200, '{"ok": true}', 0.0)
                time.sleep(after_s)
                if body.startswith("{") and status == 200:
                    message: dict[str, Any] = json.loads(body)
                    fake.messages.append((message["to"], message["text"]))
                self.send_response(status)
                self.end_headers()
                try:
                    self.wfile.write(said.encode())
                except OSError:
                    return  # they did not wait

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
                return

        self._server = HTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close_port(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class FakeMail:
    """Takes every mail; `refuses` maps a command word to the reply it gets. It pauses each time."""

    def __init__(self, refuses: dict[str, str] | None = None, *, pause_s: float = 0.0) -> None:
        self.mails: list[str] = []
        fake, no = self, refuses or {}

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text: str) -> None:
                time.sleep(pause_s)
                self.wfile.write(f"{text}\r\n".encode())

            def handle(self) -> None:
                self.say("220 here")
                while line := self.rfile.readline().decode().strip():
                    word = line.split()[0].upper()
                    if word in no:
                        if no[word] == "hang up":
                            return
                        self.say(no[word])
                    elif word == "DATA":
                        self.say("354 go on")
                        lines = []
                        while (text := self.rfile.readline().decode()) != ".\r\n":
                            lines.append(text)
                        fake.mails.append("".join(lines))
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 yes")

        self._server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
