"""kurigram, a living fork of Pyrogram, with tgcrypto under measurement."""

import asyncio
import secrets

import measure
import rsa
import tgcrypto  # noqa: F401: without it kurigram is measured with ciphers in Python
from pyrogram import Client, handlers, raw
from pyrogram.connection import transport
from pyrogram.crypto import rsa as known_keys

NEAREST = raw.functions.help.GetNearestDc()
STATE = raw.functions.updates.GetState()


def new_client(task, token=None, updates=False):
    key = rsa.PublicKey.load_pkcs1(task["public_key"].encode())
    fingerprint = int(task["fingerprint"], 16)
    fingerprint -= (fingerprint >> 63) << 64
    known_keys.server_public_keys[fingerprint] = known_keys.PublicKey(key.n, key.e)
    host, _, port = task["address"].rpartition(":")
    client = Client(
        secrets.token_hex(4),
        measure.API_ID,
        measure.API_HASH,
        bot_token=token,
        in_memory=True,
        protocol_factory=transport.TCPIntermediate,
        no_updates=not updates,
        loop=asyncio.get_running_loop(),
    )

    async def server_address(*_):
        return host

    async def server_port(*_):
        return int(port)

    client.storage.server_address, client.storage.port = server_address, server_port
    return client


async def log_in(task, token=None, updates=False):
    client = new_client(task, token or task["tokens"][0], updates)
    await client.start()
    return client


async def handshake(task):
    async def one():
        client = new_client(task)
        watch = measure.Stopwatch()
        await client.connect()
        await client.invoke(NEAREST)
        done = watch.outcome(1)
        await client.disconnect()
        return done

    return await measure.handshakes(task, one)


async def calls(task):
    client = await log_in(task)
    return await measure.calls(task, lambda: client.invoke(STATE))


async def in_flight(task):
    client = await log_in(task)
    return await measure.in_flight(task, lambda: client.invoke(STATE))


def handle(client, count):
    async def handler(_, message):
        count(message.text)

    client.add_handler(handlers.MessageHandler(handler))


async def updates(task):
    client = await log_in(task, updates=True)
    counter = measure.Counter(task["amount"])
    handle(client, counter.count)
    await client.invoke(STATE)
    return await measure.updates(counter)


async def download(task):
    client = await log_in(task)
    small, large = await client.get_messages(task["person"], [task["small_file"], task["file"]])

    async def fetch(message):
        came = 0
        async for piece in client.stream_media(message):
            came += len(piece)
        return came

    await fetch(small)
    watch = await measure.ready()
    return watch.outcome(await fetch(large))


async def upload(task):
    client = await log_in(task)
    large, small = task["paths"]
    await client.save_file(small)
    watch = await measure.ready()
    await client.save_file(large)
    return watch.outcome(task["amount"])


async def idle(task):
    async def connect(token):
        client = await log_in(task, token, updates=True)
        handle(client, lambda _: None)
        await client.invoke(STATE)
        return client

    return await measure.idle(task, connect)


measure.main({
    "handshake": handshake, "calls": calls, "in_flight": in_flight, "updates": updates,
    "download": download, "upload": upload, "idle": idle,
})
