"""Telethon, unchanged but for address and RSA key, uses the datacenter as it uses Telegram."""

import asyncio
import contextlib
import itertools
import secrets

import pytest
from telethon import TelegramClient, errors, events, functions, types
from telethon.crypto import rsa
from telethon.network import connection as transports
from telethon.sessions import MemorySession

from datacenter import API_HASH, API_ID, PATIENCE, Cable, Datacenter, eventually

TRANSPORTS = {
    "abridged": transports.ConnectionTcpAbridged,
    "intermediate": transports.ConnectionTcpIntermediate,
    "full": transports.ConnectionTcpFull,
    "obfuscated": transports.ConnectionTcpObfuscated,
}
ABRIDGED = TRANSPORTS["abridged"]

_numbers = itertools.count(1)


def new_phone():
    return f"+1999{next(_numbers):07}"


def told(running):
    """Tells Telethon the key of a datacenter: it knows one at a time."""
    rsa._server_keys.clear()
    rsa.add_key(running.public_key, old=False)
    assert f"{next(iter(rsa._server_keys)) % 2**64:016x}" == running.fingerprint
    # The configuration is kept on the class: a client of another datacenter must not see it.
    TelegramClient._config = None
    return running


@pytest.fixture(scope="module")
def shared():
    running = Datacenter(bots=["telethon_test_bot"])
    yield running
    assert running.stop() == 0, "the datacenter ends well"


@pytest.fixture
def datacenter(shared):
    return told(shared)


def new_client(datacenter, connection, session=None, address=None, **options):
    if session is None:
        session = MemorySession()
        session.set_dc(datacenter.dc_id, *(address or (datacenter.host, datacenter.port)))
    return TelegramClient(session, API_ID, API_HASH, connection=connection, **options)


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 5 * PATIENCE))


async def person(stack, datacenter, name, transport=ABRIDGED, **options):
    """A client of a person who has just signed up by phone and code."""
    client = new_client(datacenter, transport, **options)
    stack.push_async_callback(client.disconnect)
    await client.connect()
    phone = new_phone()
    seen = len(datacenter.codes_issued(phone))
    sent = await client.send_code_request(phone)
    code = await datacenter.next_code(phone, seen)
    with pytest.raises(errors.PhoneNumberUnoccupiedError):
        await client.sign_in(phone, code, phone_code_hash=sent.phone_code_hash)
    signed_up = await client(functions.auth.SignUpRequest(phone, sent.phone_code_hash, first_name=name, last_name=""))
    await client._on_login(signed_up.user)
    client.phone_for_test = phone
    return client


async def bot(stack, datacenter, transport=ABRIDGED, **options):
    client = new_client(datacenter, transport, **options)
    stack.push_async_callback(client.disconnect)
    tokens = datacenter.bot_tokens()
    assert tokens, "the datacenter was started without a bot"
    await client.start(bot_token=tokens[0])
    return client


def collect(client, builder):
    got = []

    async def keep(event):
        got.append(event)

    client.add_event_handler(keep, builder)
    return got


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_logs_in_as_bot(datacenter, transport):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            client = await bot(stack, datacenter, transport)
            me = await client.get_me()
            assert me.bot and not me.first_name == ""
            assert str(me.id) == datacenter.bot_tokens()[0].split(":")[0]

    run(scenario())


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_logs_in_by_phone_and_code_and_talks(datacenter, transport):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            client = await person(stack, datacenter, "Ada", transport)
            me = await client.get_me()
            assert (me.first_name, me.bot) == ("Ada", False)
            sent = await client.send_message("me", f"over {transport.__name__}")
            stored = await client.get_messages("me", ids=sent.id)
            assert stored.raw_text == f"over {transport.__name__}"

    run(scenario())


def test_a_second_login_needs_no_sign_up(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            first = await person(stack, datacenter, "Grace")
            phone = first.phone_for_test
            second = new_client(datacenter, TRANSPORTS["intermediate"])
            stack.push_async_callback(second.disconnect)
            await second.connect()
            seen = len(datacenter.codes_issued(phone))
            await second.send_code_request(phone)
            user = await second.sign_in(phone, await datacenter.next_code(phone, seen))
            assert user.id == (await first.get_me()).id

    run(scenario())


def test_a_wrong_code_and_a_wrong_token_are_refused(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            client = new_client(datacenter, ABRIDGED)
            stack.push_async_callback(client.disconnect)
            await client.connect()
            phone = new_phone()
            await client.send_code_request(phone)
            right = await datacenter.next_code(phone, 0)
            wrong = "".join(str((int(digit) + 1) % 10) for digit in right)
            with pytest.raises(errors.PhoneCodeInvalidError):
                await client.sign_in(phone, wrong)
            with pytest.raises(errors.AccessTokenInvalidError):
                await client.sign_in(bot_token="1:" + "A" * 35)
            assert not await client.is_user_authorized()

    run(scenario())


def test_bot_and_person_talk_edit_delete_and_read_history(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            human = await person(stack, datacenter, "Linus", TRANSPORTS["full"])
            username = (await robot.get_me()).username
            at_robot = collect(robot, events.NewMessage(incoming=True))
            at_human = collect(human, events.NewMessage(incoming=True))
            edits = collect(human, events.MessageEdited())
            deletions = collect(human, events.MessageDeleted())
            marker = secrets.token_hex(8)

            await human.send_message(username, f"hello {marker}")
            await eventually(lambda: any(marker in e.raw_text for e in at_robot), "the bot receives the message")
            received = next(e for e in at_robot if marker in e.raw_text)
            answer = await received.reply(f"<b>bold</b> {marker}", parse_mode="html")
            await eventually(lambda: any(marker in e.raw_text for e in at_human), "the person receives the answer")
            got = next(e for e in at_human if marker in e.raw_text)
            assert got.raw_text == f"bold {marker}"
            assert [(type(x), x.offset, x.length) for x in got.message.entities] == [(types.MessageEntityBold, 0, 4)]
            assert got.message.is_reply

            await robot.edit_message(answer, f"edited {marker}")
            await eventually(lambda: any(e.raw_text == f"edited {marker}" for e in edits), "the edit arrives")

            history = await human.get_messages(username, limit=10)
            texts = [m.raw_text for m in history if marker in (m.raw_text or "")]
            assert texts == [f"edited {marker}", f"hello {marker}"], "newest first"
            assert username in [d.entity.username for d in await human.get_dialogs() if d.is_user]
            await human.send_read_acknowledge(username)

            await robot.delete_messages(answer.chat_id, [answer.id], revoke=True)
            await eventually(lambda: any(got.message.id in e.deleted_ids for e in deletions), "the deletion arrives")
            left = [m.raw_text for m in await human.get_messages(username, limit=10) if marker in (m.raw_text or "")]
            assert left == [f"hello {marker}"]

    run(scenario())


def test_every_session_of_an_account_gets_the_update(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            human = await person(stack, datacenter, "Alan")
            phone = human.phone_for_test
            other = new_client(datacenter, TRANSPORTS["obfuscated"])
            stack.push_async_callback(other.disconnect)
            await other.connect()
            seen = len(datacenter.codes_issued(phone))
            await other.send_code_request(phone)
            await other.sign_in(phone, await datacenter.next_code(phone, seen))
            marker = secrets.token_hex(8)
            here = collect(human, events.NewMessage(pattern=marker))
            there = collect(other, events.NewMessage(pattern=marker))

            username = (await robot.get_me()).username
            async with human.conversation(username, timeout=PATIENCE):
                asked = collect(robot, events.NewMessage(pattern="ask"))
                await human.send_message(username, "ask")
                await eventually(lambda: asked, "the bot is asked")
                await asked[-1].respond(marker)
                await eventually(lambda: here and there, "both sessions get it")
            assert (len(here), len(there)) == (1, 1)

    run(scenario())


@pytest.mark.parametrize("transport", [TRANSPORTS["abridged"], TRANSPORTS["intermediate"]], ids=["abridged", "intermediate"])
def test_reconnects_after_a_cut_and_misses_nothing(datacenter, transport):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            cable = await stack.enter_async_context(Cable(datacenter.host, datacenter.port))
            human = await person(stack, datacenter, "Edsger", transport, address=cable.address)
            username = (await robot.get_me()).username
            marker = secrets.token_hex(8)
            asked = collect(robot, events.NewMessage(incoming=True))
            await human.send_message(username, f"first {marker}")
            await eventually(lambda: any(marker in e.raw_text for e in asked), "the bot receives the message")
            received = collect(human, events.NewMessage(incoming=True))
            key = human.session.auth_key.key
            dials = cable.accepted

            cable.cut()
            await asked[-1].respond(f"during the cut {marker}")
            await human.send_message(username, f"after the cut {marker}")
            await eventually(lambda: any(e.raw_text == f"after the cut {marker}" for e in asked), "sending works again")
            await human.catch_up()
            await eventually(
                lambda: any(e.raw_text == f"during the cut {marker}" for e in received), "what came during the cut arrives"
            )
            assert cable.accepted > dials, "the client dialled again"
            assert human.session.auth_key.key == key, "with the key it had"

    run(scenario())


def test_catches_up_by_difference_after_being_away(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, datacenter)
            session = MemorySession()
            session.set_dc(datacenter.dc_id, datacenter.host, datacenter.port)
            human = await person(stack, datacenter, "Barbara", session=session)
            username = (await robot.get_me()).username
            marker = secrets.token_hex(8)
            asked = collect(robot, events.NewMessage(incoming=True))
            await human.send_message(username, f"leaving {marker}")
            await eventually(lambda: any(marker in e.raw_text for e in asked), "the bot receives the message")
            before = await human(functions.updates.GetStateRequest())
            await human.disconnect()

            missed = [f"missed {number} {marker}" for number in range(5)]
            for text in missed:
                await asked[-1].respond(text)

            back = new_client(datacenter, ABRIDGED, session=session, catch_up=True)
            stack.push_async_callback(back.disconnect)
            received = collect(back, events.NewMessage(incoming=True))
            await back.connect()
            assert await back.is_user_authorized(), "the key still logs in"
            await eventually(lambda: len([e for e in received if e.raw_text in missed]) >= 5, "all missed messages arrive")
            assert [e.raw_text for e in received if e.raw_text in missed] == missed, "in order, each once"

            difference = await back(functions.updates.GetDifferenceRequest(before.pts, before.date, before.qts))
            assert isinstance(difference, types.updates.Difference)
            assert [m.message for m in difference.new_messages] == missed
            after = await back(functions.updates.GetStateRequest())
            assert after.pts == difference.state.pts == before.pts + len(missed)

    run(scenario())


def test_two_step_password(datacenter):
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            owner = await person(stack, datacenter, "Whitfield")
            password = secrets.token_hex(8)
            assert await owner.edit_2fa(new_password=password, hint="hex")

            other = new_client(datacenter, TRANSPORTS["full"])
            stack.push_async_callback(other.disconnect)
            await other.connect()
            phone = owner.phone_for_test
            seen = len(datacenter.codes_issued(phone))
            await other.send_code_request(phone)
            with pytest.raises(errors.SessionPasswordNeededError):
                await other.sign_in(phone, await datacenter.next_code(phone, seen))
            with pytest.raises(errors.PasswordHashInvalidError):
                await other.sign_in(password="not " + password)
            assert not await other.is_user_authorized()
            user = await other.sign_in(password=password)
            assert user.id == (await owner.get_me()).id

    run(scenario())


def test_a_restart_from_the_state_file_keeps_key_login_and_messages(tmp_path):
    state = tmp_path / "datacenter.sqlite"
    first = told(Datacenter(bots=["restart_test_bot"], state=state))
    second = None

    async def before():
        async with contextlib.AsyncExitStack() as stack:
            robot = await bot(stack, first)
            human = await person(stack, first, "Margaret")
            username = (await robot.get_me()).username
            await human.send_message(username, "before the restart")
            return human.session, (await human.get_me()).id

    async def after(session, user_id):
        async with contextlib.AsyncExitStack() as stack:
            human = new_client(second, ABRIDGED, session=session)
            stack.push_async_callback(human.disconnect)
            key = session.auth_key.key
            await human.connect()
            assert (await human.get_me()).id == user_id
            assert session.auth_key.key == key
            history = await human.get_messages("restart_test_bot", limit=5)
            assert [m.raw_text for m in history] == ["before the restart"]
            sent = await human.send_message("restart_test_bot", "after the restart")
            assert sent.id > history[0].id

    try:
        session, user_id = asyncio.run(before())
        assert first.stop() == 0
        second = told(Datacenter(listen=f"{first.host}:{first.port}", state=state))
        asyncio.run(after(session, user_id))
        assert second.stop() == 0
    finally:
        for running in filter(None, (first, second)):
            running.stop()
