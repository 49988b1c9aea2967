"""Telethon with cryptg under measurement."""

import cryptg  # noqa: F401: without it Telethon is measured with ciphers in Python
import measure
from telethon import TelegramClient, events, functions
from telethon.crypto import rsa
from telethon.network.connection import ConnectionTcpIntermediate
from telethon.sessions import MemorySession

PART_KIB = 512
NEAREST = functions.help.GetNearestDcRequest()
STATE = functions.updates.GetStateRequest()


def new_client(task):
    rsa._server_keys.clear()
    rsa.add_key(task["public_key"], old=False)
    host, _, port = task["address"].rpartition(":")
    session = MemorySession()
    session.set_dc(task["dc"], host, int(port))
    return TelegramClient(session, measure.API_ID, measure.API_HASH, connection=ConnectionTcpIntermediate)


async def log_in(task, token=None):
    client = new_client(task)
    await client.start(bot_token=token or task["tokens"][0])
    return client


async def handshake(task):
    async def one():
        client = new_client(task)
        watch = measure.Stopwatch()
        await client.connect()
        await client(NEAREST)
        done = watch.outcome(1)
        await client.disconnect()
        return done

    return await measure.handshakes(task, one)


async def calls(task):
    client = await log_in(task)
    return await measure.calls(task, lambda: client(STATE))


async def in_flight(task):
    client = await log_in(task)
    return await measure.in_flight(task, lambda: client(STATE))


def handle(client, count):
    async def handler(event):
        count(event.raw_text)

    client.add_event_handler(handler, events.NewMessage(incoming=True))


async def updates(task):
    client = await log_in(task)
    counter = measure.Counter(task["amount"])
    handle(client, counter.count)
    await client(STATE)
    return await measure.updates(counter)


async def download(task):
    client = await log_in(task)
    small, large = await client.get_messages(task["person"], ids=[task["small_file"], task["file"]])

    async def fetch(message):
        came = 0
        async for piece in client.iter_download(message.media, request_size=PART_KIB * 1024):
            came += len(piece)
        return came

    await fetch(small)
    watch = await measure.ready()
    return watch.outcome(await fetch(large))


async def upload(task):
    client = await log_in(task)
    large, small = task["paths"]
    await client.upload_file(small, part_size_kb=PART_KIB)
    watch = await measure.ready()
    await client.upload_file(large, part_size_kb=PART_KIB)
    return watch.outcome(task["amount"])


async def idle(task):
    async def connect(token):
        client = await log_in(task, token)
        handle(client, lambda _: None)
        await client(STATE)
        return client

    return await measure.idle(task, connect)


measure.main({
    "handshake": handshake, "calls": calls, "in_flight": in_flight, "updates": updates,
    "download": download, "upload": upload, "idle": idle,
})
