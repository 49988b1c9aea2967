"""Files go between Telethon and a bot of ours, through the datacenter, in both directions: what one uploads the other
downloads, and sends back."""

import contextlib
import hashlib
import io
import os
import struct
import zlib

import pytest
import test_telethon as telethon

from datacenter import Datacenter
from mirror import Mirror

SIZES = {"small": 100_001, "one part": 512 * 1024, "big": 11 * 1024 * 1024 + 7}


def png(width, height):
    """A grey picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(width)) for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def datacenter():
    running = Datacenter(bots=["telethon_files_bot"])
    yield running
    assert running.stop() == 0, "the datacenter ends well"


@pytest.mark.parametrize("kind", SIZES)
def test_telethon_gets_back_what_it_sent(datacenter, kind):
    telethon.told(datacenter)
    content = os.urandom(SIZES[kind])

    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            mirror = await stack.enter_async_context(Mirror(datacenter))
            human = await telethon.person(stack, datacenter, "Ada")
            peer = await human.get_input_entity(mirror.username)
            file = io.BytesIO(content)
            file.name = "sent.bin"
            sent = await human.send_file(peer, file, force_document=True)
            assert sent.document.size == len(content)

            async def answered():
                newest = await human.get_messages(peer, limit=1)
                return newest[0] if newest and newest[0].reply_to_msg_id == sent.id else None

            back = None
            for _ in range(2000):
                if back := await answered():
                    break
            assert back, "the bot sends the file back"
            assert back.file.name == "sent.bin"
            for message in (sent, back):
                got = await human.download_media(message, bytes)
                assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()

    telethon.run(scenario())


def test_telethon_sends_photos_and_albums(datacenter):
    telethon.told(datacenter)
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            human = await telethon.person(stack, datacenter, "Eve")
            file = io.BytesIO(png(64, 48))
            file.name = "seen.png"
            sent = await human.send_file("me", file)
            got = await human.download_media(sent, bytes)
            assert got.startswith(b"\xff\xd8"), "a photo comes as JPEG"
            files = []
            for number in range(3):
                file = io.BytesIO(os.urandom(1000 + number))
                file.name = f"{number}.bin"
                files.append(file)
            album = await human.send_file("me", files, force_document=True)
            assert len({message.grouped_id for message in album}) == 1 and album[0].grouped_id
            for number, message in enumerate(album):
                got = await human.download_media(message, bytes)
                assert got == files[number].getvalue()

    telethon.run(scenario())
