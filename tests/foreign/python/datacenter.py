"""A datacenter of ours, and what a foreign client has to know of it: its address and its RSA key, nothing else.

ACTOGRAM is the path of the `actogram` program; `cargo xtask test` sets it.
"""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time

API_ID = 1
API_HASH = "0123456789abcdef0123456789abcdef"
PATIENCE = 30.0


class Datacenter:
    """`actogram datacenter --json`, run as anybody would run it."""

    def __init__(self, listen="127.0.0.1:0", bots=(), state=None):
        program = os.environ.get("ACTOGRAM")
        if not program:
            raise RuntimeError("ACTOGRAM is not set: `cargo xtask test` builds the program and sets it")
        command = [program, "datacenter", "--json", "--listen", listen]
        for bot in bots:
            command += ["--bot", bot]
        if state is not None:
            command += ["--state", str(state)]
        self.output = tempfile.NamedTemporaryFile("r", suffix=".jsonl")
        with open(self.output.name, "wb") as stdout:
            self.process = subprocess.Popen(command, stdout=stdout)
        try:
            self._wait_for(lambda: self.events("ready") and len(self.events("bot")) == len(bots))
        except Exception:
            self.process.kill()
            self.process.wait()
            raise
        ready = self.events("ready")[0]
        host, _, port = ready["address"].rpartition(":")
        self.host, self.port, self.dc_id = host, int(port), ready["dc"]
        self.public_key, self.fingerprint = ready["public_key"], ready["fingerprint"]

    def _wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError(f"the datacenter ended with {self.process.returncode} instead of starting")
            if time.monotonic() > end:
                raise TimeoutError(f"the datacenter did not start within {PATIENCE:.0f} s")
            time.sleep(0.02)

    def stop(self):
        """Ends it as a terminal would, and tells its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def events(self, kind):
        with open(self.output.name, encoding="utf-8") as lines:
            # The last line may be half written.
            whole = [line for line in lines if line.endswith("\n")]
        return [event for event in map(json.loads, whole) if event.get("event") == kind]

    def bot_tokens(self):
        return [event["token"] for event in self.events("bot")]

    def codes_issued(self, phone):
        return [event["code"] for event in self.events("login_code") if event["phone"].lstrip("+") == phone.lstrip("+")]

    async def next_code(self, phone, seen):
        """The login code issued after the first `seen` ones."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            codes = self.codes_issued(phone)
            if len(codes) > seen:
                return codes[-1]
            await asyncio.sleep(0.05)
        raise TimeoutError(f"no login code for {phone} within {PATIENCE:.0f} s")


class Cable:
    """A TCP relay in front of the datacenter that can be cut, as a network is."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.writers = set()
        self.accepted = 0
        self.blocked = False

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    def cut(self):
        for writer in list(self.writers):
            writer.transport.abort()

    async def _relay(self, reader, writer):
        if self.blocked:
            writer.transport.abort()
            return
        self.accepted += 1
        there_reader, there_writer = await asyncio.open_connection(*self.target)
        pair = {writer, there_writer}
        self.writers |= pair

        async def pump(source, sink):
            try:
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass
            finally:
                sink.transport.abort()

        try:
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
        finally:
            self.writers -= pair


async def eventually(condition, what, patience=PATIENCE):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {patience:.0f} s: {what}")
