"""kurigram, a living fork of Pyrogram, unchanged but for address and RSA key, uses the datacenter as it uses Telegram."""

import asyncio
import contextlib
import itertools
import secrets

import pytest
import rsa
from pyrogram import Client, enums, errors, handlers, raw
from pyrogram.connection import transport as transports
from pyrogram.crypto import rsa as known_keys

from datacenter import API_HASH, API_ID, PATIENCE, Cable, Datacenter, eventually

TRANSPORTS = {
    "abridged": transports.TCPAbridged,
    "intermediate": transports.TCPIntermediate,
    "full": transports.TCPFull,
    "abridged, obfuscated": transports.TCPAbridgedO,
    "intermediate, obfuscated": transports.TCPIntermediateO,
}
_numbers = itertools.count(1)


def know(running):
    """Tells kurigram the key of a datacenter."""
    key = rsa.PublicKey.load_pkcs1(running.public_key.encode())
    fingerprint = int(running.fingerprint, 16)
    fingerprint -= (fingerprint >> 63) << 64
    known_keys.server_public_keys[fingerprint] = known_keys.PublicKey(key.n, key.e)


@pytest.fixture(scope="module")
def datacenter():
    running = Datacenter(bots=["kurigram_test_bot"])
    know(running)
    yield running
    assert running.stop() == 0, "the datacenter ends well"


def run(scenario):
    async def alone():
        # Some of what it prepares lives in the loop of the thread.
        await asyncio.wait_for(scenario(), 5 * PATIENCE)

    with asyncio.Runner() as runner:
        runner.run(alone())


async def new_client(stack, datacenter, transport=transports.TCPAbridged, address=None, **options):
    host, port = address or (datacenter.host, datacenter.port)
    client = Client(
        secrets.token_hex(4),
        API_ID,
        API_HASH,
        in_memory=True,
        protocol_factory=transport,
        loop=asyncio.get_running_loop(),
        **options,
    )

    async def server_address(*_):
        return host

    async def server_port(*_):
        return port

    client.storage.server_address, client.storage.port = server_address, server_port

    async def end():
        with contextlib.suppress(ConnectionError):
            await client.stop()

    stack.push_async_callback(end)
    return client


async def bot(stack, datacenter, transport=transports.TCPAbridged):
    client = await new_client(stack, datacenter, transport, bot_token=datacenter.bot_tokens()[0])
    await client.start()
    return client


async def person(stack, datacenter, name, **options):
    client = await new_client(stack, datacenter, **options)
    await client.connect()
    phone = f"+1997{next(_numbers):07}"
    sent = await client.send_code(phone)
    code = await datacenter.next_code(phone, 0)
    assert not await client.sign_in(phone, sent.phone_code_hash, code), "the number has no account yet"
    await client.sign_up(phone, sent.phone_code_hash, name)
    # The rest of what start() does, which would ask at the terminal for what was done here.
    await client.invoke(raw.functions.updates.GetState())
    client.me = await client.get_me()
    await client.initialize()
    return client


def collect(client, kind):
    got = []

    async def keep(_, update):
        got.append(update)

    client.add_handler(kind(keep), group=-1)
    return got


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_logs_in_as_bot(datacenter, transport):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            client = await bot(stack, datacenter, transport)
            me = await client.get_me()
            assert me.is_bot and me.username == "kurigram_test_bot"

    run(scenario)


def test_a_wrong_token_is_refused(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            client = await new_client(stack, datacenter, bot_token="1:" + "A" * 35)
            with pytest.raises(errors.AccessTokenInvalid):
                await client.start()

    run(scenario)


def test_bot_and_person_talk_edit_delete_and_read_history(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            human = await person(stack, datacenter, "Radia")
            assert (await human.get_me()).first_name == "Radia"
            at_robot = collect(robot, handlers.MessageHandler)
            at_human = collect(human, handlers.MessageHandler)
            edits = collect(human, handlers.EditedMessageHandler)
            deletions = collect(human, handlers.DeletedMessagesHandler)
            marker = secrets.token_hex(8)

            await human.send_message("kurigram_test_bot", f"hello {marker}")
            await eventually(lambda: any(m.text == f"hello {marker}" for m in at_robot), "the bot receives the message")
            received = next(m for m in at_robot if m.text == f"hello {marker}")
            answer = await received.reply(f"<b>bold</b> {marker}", parse_mode=enums.ParseMode.HTML)
            await eventually(lambda: any(m.text == f"bold {marker}" for m in at_human), "the person receives the answer")
            got = next(m for m in at_human if m.text == f"bold {marker}")
            assert [(e.type, e.offset, e.length) for e in got.entities] == [(enums.MessageEntityType.BOLD, 0, 4)]

            await answer.edit(f"edited {marker}")
            await eventually(lambda: any(m.text == f"edited {marker}" for m in edits), "the edit arrives")
            texts = [m.text async for m in human.get_chat_history("kurigram_test_bot", limit=10)]
            assert [text for text in texts if marker in text] == [f"edited {marker}", f"hello {marker}"]
            await human.read_chat_history("kurigram_test_bot")

            await answer.delete(revoke=True)
            gone = lambda: any(m.id == got.id for messages in deletions for m in messages)
            await eventually(gone, "the deletion arrives")

    run(scenario)


def test_reconnects_after_a_cut(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            cable = await stack.enter_async_context(Cable(datacenter.host, datacenter.port))
            human = await person(stack, datacenter, "Barbara", address=cable.address)
            asked = collect(robot, handlers.MessageHandler)
            received = collect(human, handlers.MessageHandler)
            marker = secrets.token_hex(8)
            await human.send_message("kurigram_test_bot", f"first {marker}")
            await eventually(lambda: any(m.text == f"first {marker}" for m in asked), "the bot receives the message")
            dials = cable.accepted

            cable.cut()
            await human.send_message("kurigram_test_bot", f"after the cut {marker}")
            await eventually(lambda: any(m.text == f"after the cut {marker}" for m in asked), "sending works again")
            await asked[-1].reply(f"answer {marker}")
            await eventually(lambda: any(m.text == f"answer {marker}" for m in received), "updates come again")
            assert cable.accepted > dials, "the client dialled again"

    run(scenario)
