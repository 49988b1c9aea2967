"""A bot of ours talks with Telethon and with kurigram in private, in a group, a supergroup and a channel; what they see
and what it sees agree."""

import contextlib

import pytest
import test_kurigram as kurigram
import test_telethon as telethon
from pyrogram import enums
from pyrogram.types import ChatPrivileges
from telethon import functions, types, utils

from datacenter import Datacenter, eventually
from mirror import Mirror, converse

CHATS = ["private", "group", "supergroup", "channel"]


@pytest.fixture(scope="module")
def for_telethon():
    running = Datacenter(bots=["telethon_mirror_bot"])
    yield running
    assert running.stop() == 0, "the datacenter ends well"


@pytest.mark.parametrize("kind", CHATS)
def test_telethon_and_a_bot_of_ours(for_telethon, kind):
    datacenter = telethon.told(for_telethon)

    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            mirror = await stack.enter_async_context(Mirror(datacenter))
            human = await telethon.person(stack, datacenter, "Ada")
            peer = await make(human, mirror.username)
            number = (await human.get_me()).id if kind == "private" else utils.get_peer_id(peer)

            async def press():
                async def offered():
                    return next((m for m in await human.get_messages(peer, limit=5) if m.buttons), None)

                while not (message := await offered()):
                    pass
                return (await message.click(0)).message

            async def history():
                kept = await human.get_messages(peer, limit=None, from_user=None if kind == "channel" else "me")
                kept = [m for m in reversed(kept) if not m.action and not m.buttons]
                return [(m.id, m.raw_text) for m in kept]

            await converse(
                mirror,
                number,
                send=lambda text: human.send_message(peer, text),
                edit=lambda message, text: human.edit_message(peer, message.id, text),
                delete=lambda message: human.delete_messages(peer, [message.id], revoke=True),
                press=press,
                history=history,
            )

    async def make(human, username):
        if kind == "private":
            return await human.get_input_entity(username)
        if kind == "group":
            made = await human(functions.messages.CreateChatRequest(users=[username], title="group"))
            updates = getattr(made, "updates", made)
            return types.PeerChat(updates.chats[0].id)
        create = functions.channels.CreateChannelRequest(kind, "", broadcast=kind == "channel", megagroup=kind != "channel")
        channel = (await human(create)).chats[0]
        if kind == "channel":
            await human.edit_admin(channel, username, post_messages=True, edit_messages=True)
        else:
            await human(functions.channels.InviteToChannelRequest(channel, [username]))
        return channel

    telethon.run(scenario())


@pytest.fixture(scope="module")
def for_kurigram():
    running = Datacenter(bots=["kurigram_mirror_bot"])
    kurigram.know(running)
    yield running
    assert running.stop() == 0, "the datacenter ends well"


@pytest.mark.parametrize("kind", CHATS)
def test_kurigram_and_a_bot_of_ours(for_kurigram, kind):
    datacenter = for_kurigram

    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            mirror = await stack.enter_async_context(Mirror(datacenter))
            human = await kurigram.person(stack, datacenter, "Grace")
            peer = await make(human, mirror.username)
            number = human.me.id if kind == "private" else peer

            async def press():
                found = []

                async def offered():
                    found.extend([m async for m in human.get_chat_history(peer, limit=5) if m.reply_markup])
                    return bool(found)

                while not await offered():
                    pass
                answer = await human.request_callback_answer(peer, found[0].id, found[0].reply_markup.inline_keyboard[0][0].callback_data)
                return answer.message

            async def history():
                kept = [m async for m in human.get_chat_history(peer)]
                own = [m for m in reversed(kept) if not m.service and not m.reply_markup]
                return [(m.id, m.text) for m in own if m.outgoing or kind == "channel"]

            await converse(
                mirror,
                number,
                send=lambda text: human.send_message(peer, text),
                edit=lambda message, text: human.edit_message_text(peer, message.id, text),
                delete=lambda message: human.delete_messages(peer, [message.id]),
                press=press,
                history=history,
            )

    async def make(human, username):
        if kind == "private":
            return username
        if kind == "group":
            return (await human.create_group("group", [username])).id
        if kind == "supergroup":
            chat = await human.create_supergroup("supergroup")
            await human.add_chat_members(chat.id, [username])
            return chat.id
        chat = await human.create_channel("channel")
        await human.promote_chat_member(chat.id, username, ChatPrivileges(can_post_messages=True, can_edit_messages=True))
        return chat.id

    kurigram.run(scenario)
