# SPDX-License-Identifier: Apache-2.0
"""A node at its place: joined to its line or its broker connection, and to the selector of the runner."""

import selectors

from firmware_sim.firmware.line import PtyLine
from firmware_sim.firmware.mqtt import MqttLink
from firmware_sim.firmware.node import Node, SerialNode


class SerialPost:
    """A node on a pseudo-terminal."""

    def __init__(self, node: Node, line: PtyLine, selector: selectors.BaseSelector) -> None:
        self.node = node
        self.line = line
        self.connected = False
        self.silent = False  # it measures nothing
        self.mute = False  # it says nothing
        self._serial = SerialNode(node)
        self._selector = selector
        self._registered = (-1, 0)

    def tick(self, now_ms: int) -> None:
        """Notice that somebody has opened the port."""
        if not self.connected and self.line.heard():
            self.connected = True
            self._serial.opened()
            self.pump(now_ms)

    def ready(self, events: int, now_ms: int) -> None:
        """Bytes came, or there is room for more."""
        if events & selectors.EVENT_READ:
            chunk = self.line.read()
            if chunk is None:
                self._gone()
                return
            if not self.mute:
                self._serial.received(chunk, now_ms)
        if events & selectors.EVENT_WRITE:
            self.line.flush()
        self.pump(now_ms)

    def pump(self, now_ms: int) -> None:
        """Send what the node has, if there is room."""
        if not self.connected:
            return
        due_ms = self.next_ms(now_ms)
        if due_ms is not None and due_ms <= now_ms:
            self.line.write(self._serial.to_send(now_ms))
        self._register()

    def next_ms(self, now_ms: int) -> int | None:
        if not self.connected or self.mute or self.line.full:
            return None
        return self.node.next_ms(now_ms)

    def unplug(self) -> None:
        """Pull the cable. `line.plug` puts it back."""
        self._gone()
        self.line.unplug()

    def close(self) -> None:
        self.unplug()

    def _gone(self) -> None:
        self._unregister()
        if self.line.fileno() >= 0:
            self.line.hung_up()
        self.connected = False

    def _register(self) -> None:
        wanted = (self.line.fileno(), selectors.EVENT_READ | (selectors.EVENT_WRITE if self.line.full else 0))
        if wanted != self._registered:
            self._unregister()
            self._selector.register(*wanted, self)
            self._registered = wanted

    def _unregister(self) -> None:
        if self._registered[0] >= 0:
            self._selector.unregister(self._registered[0])
            self._registered = (-1, 0)


class MqttPost:
    """A node with a connection to a broker."""

    def __init__(self, link: MqttLink, selector: selectors.BaseSelector) -> None:
        self.link = link
        self.node = link.node
        self.silent = False  # it measures nothing
        self.mute = False  # it says nothing
        self._selector = selector
        self._registered = (-1, 0)
        self._ticked_ms = 0

    @property
    def connected(self) -> bool:
        return self.link.connected

    def tick(self, now_ms: int) -> None:
        if now_ms - self._ticked_ms >= 1_000 or not self.connected:
            self._ticked_ms = now_ms
            self.link.tick(now_ms)
            self._register()

    def ready(self, events: int, now_ms: int) -> None:
        readable, writable = bool(events & selectors.EVENT_READ), bool(events & selectors.EVENT_WRITE)
        self.link.ready(readable=readable, writable=writable, now_ms=now_ms)
        self.pump(now_ms)

    def pump(self, now_ms: int) -> None:
        due_ms = self.next_ms(now_ms)
        if due_ms is not None and due_ms <= now_ms:
            self.link.pump(now_ms)
        self._register()

    def next_ms(self, now_ms: int) -> int | None:
        return self.node.next_ms(now_ms) if self.connected and not self.mute else None

    def close(self) -> None:
        self._unregister()
        self.link.close()

    def _register(self) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.link.wants_write else 0)
        wanted = (self.link.fileno(), events)
        if wanted != self._registered:
            self._unregister()
            if wanted[0] >= 0:
                self._selector.register(*wanted, self)
                self._registered = wanted

    def _unregister(self) -> None:
        if self._registered[0] >= 0:
            # The socket may be closed already: the selector finds it by its number.
            self._selector.unregister(self._registered[0])
            self._registered = (-1, 0)


Post = SerialPost | MqttPost
