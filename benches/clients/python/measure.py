"""What a task and an outcome are is told in ../measure/src/lib.rs."""

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time

API_ID = 1
API_HASH = "0123456789abcdef0123456789abcdef"
IN_FLIGHT = 1_000


class Stopwatch:
    def __init__(self):
        self.started, (self.user, self.all) = time.monotonic(), cpu()

    def outcome(self, count):
        user, both = cpu()
        return {
            "count": count,
            "seconds": time.monotonic() - self.started,
            "user": user - self.user,
            "all": both - self.all,
        }


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_utime + usage.ru_stime


async def ready():
    """Says that everything is ready, and waits for `go`."""
    print(json.dumps({"ready": True}), flush=True)
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip() != "go":
        raise RuntimeError(f"`go` was expected, {line!r} came")
    return Stopwatch()


async def resident():
    """The memory of this process when what was begun is over."""
    await asyncio.sleep(3)
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def handshakes(task, one):
    """`one` makes a client, its key and its first call, and gives the stopwatch's outcome; again and again."""
    await one()
    await ready()
    done = [await one() for _ in range(task["amount"])]
    total = {key: sum(each[key] for each in done) for key in ("count", "seconds", "user", "all")}
    return total | {"median": statistics.median(each["seconds"] for each in done)}


async def calls(task, call):
    await call()
    watch = await ready()
    for _ in range(task["amount"]):
        await call()
    return watch.outcome(task["amount"])


async def in_flight(task, call):
    await call()
    watch = await ready()
    rounds = task["amount"] // IN_FLIGHT

    async def caller():
        for _ in range(rounds):
            await call()

    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return watch.outcome(rounds * IN_FLIGHT)


class Counter:
    """Counts the messages of the burst; `all` is set when so many have come."""

    def __init__(self, amount):
        self.seen, self.amount, self.all = 0, amount, asyncio.Event()

    def count(self, text):
        # What was there before is not of the burst.
        if (text or "").startswith("message "):
            self.seen += 1
            if self.seen == self.amount:
                self.all.set()


async def updates(counter):
    watch = await ready()
    await counter.all.wait()
    return watch.outcome(counter.seen)


async def idle(task, connect):
    """What each account but the first takes of this process's memory; `connect` logs one in by its token."""
    watch = await ready()
    clients, first = [], 0
    for token in task["tokens"]:
        clients.append(await connect(token))
        if len(clients) == 1:
            first = await resident()
    more = max(len(clients) - 1, 1)
    each = max(await resident() - first, 0) // more
    return watch.outcome(more) | {"bytes": each}


def main(scenarios):
    """Does the task of this process with `scenarios`: coroutine functions by name."""
    task = json.loads(sys.stdin.readline())
    with asyncio.Runner() as runner:
        done = runner.run(scenarios[task["scenario"]](task))
        print(json.dumps(done), flush=True)
        # Nothing that a client leaves running shall keep this process.
        sys.stdout.flush()
        os._exit(0)
