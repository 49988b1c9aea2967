"""A bot of ours, in a process of its own, that writes down what it sees. MIRROR_BOT is the path of its program."""

import json
import os
import pathlib
import subprocess
import tempfile

from datacenter import API_HASH, API_ID, PATIENCE, Cable, eventually


class Mirror:
    """The bot, behind a cable that can be cut and kept cut."""

    def __init__(self, datacenter):
        self.datacenter = datacenter
        self.directory = tempfile.TemporaryDirectory()
        self.cable = Cable(datacenter.host, datacenter.port)

    async def __aenter__(self):
        program = os.environ.get("MIRROR_BOT")
        if not program:
            raise RuntimeError("MIRROR_BOT is not set: `cargo xtask test` builds the program and sets it")
        await self.cable.__aenter__()
        directory = pathlib.Path(self.directory.name)
        (directory / "key.pem").write_text(self.datacenter.public_key)
        self.file = directory / "mirror"
        host, port = self.cable.address[:2]
        self.process = subprocess.Popen(
            [program, str(self.file)],
            cwd=directory,
            env={
                "ACTOGRAM_API_ID": str(API_ID),
                "ACTOGRAM_API_HASH": API_HASH,
                "ACTOGRAM_CALLS__RATES__KEEP": "never",
                "ACTOGRAM_BOT_TOKEN": self.datacenter.bot_tokens()[0],
                "ACTOGRAM_SESSION": str(directory / "bot.session"),
                "ACTOGRAM_DATACENTER__ADDRESS": f"{host}:{port}",
                "ACTOGRAM_DATACENTER__PUBLIC_KEY": str(directory / "key.pem"),
            },
        )
        await eventually(lambda: self.seen("start"), "the bot has started")
        self.username = self.seen("start")[0]["text"]
        return self

    async def __aexit__(self, *_):
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        await self.cable.__aexit__(*_)
        self.directory.cleanup()
        assert code == 0, "the bot ends well"

    def seen(self, what, chat=None):
        if not self.file.exists():
            return []
        lines = [json.loads(line) for line in self.file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["what"] == what and chat in (None, line["chat"])]

    def texts(self, chat):
        """What stands in a chat, as the bot knows it: number and text, in order."""
        known, deleted = {}, set()
        for line in self.seen("new", chat) + self.seen("edit", chat):
            known[line["ids"][0]] = line["text"]
        for line in self.seen("delete"):
            if line["chat"] in (None, chat) and (line["chat"] is not None or chat > -(10**12)):
                deleted.update(line["ids"])
        return [(number, text) for number, text in sorted(known.items()) if number not in deleted]

    def cut(self):
        self.cable.blocked = True
        self.cable.cut()

    def mend(self):
        self.cable.blocked = False


async def converse(mirror, chat, send, edit, delete, press, history):
    """What a foreign client and the bot do in one chat; `chat` is its number in the Bot API's way.

    `send(text)` gives a message with its number; `edit(message, text)` and `delete(message)` change one of the client's
    own; `press()` presses the newest button and gives the answer's text; `history()` gives number and text of the
    client's messages, in order.
    """

    def at_bot(what, text):
        return any(line["text"] == text for line in mirror.seen(what, chat))

    hello = await send(f"hello {chat}")
    await eventually(lambda: at_bot("new", f"hello {chat}"), f"the bot sees a message in {chat}")
    await edit(hello, f"edited {chat}")
    await eventually(lambda: at_bot("edit", f"edited {chat}"), f"the bot sees an edit in {chat}")
    gone = await send(f"gone {chat}")
    await eventually(lambda: at_bot("new", f"gone {chat}"), "the bot sees the next one")
    await delete(gone)
    await eventually(lambda: f"gone {chat}" not in [text for _, text in mirror.texts(chat)], "the bot sees it go")
    await send("/button")
    assert await press() == "pressed"
    assert mirror.seen("press", chat)

    mirror.cut()
    for number in range(20):
        await send(f"missed {number}")
    await edit(hello, f"edited again {chat}")
    mirror.mend()
    await eventually(lambda: at_bot("new", "missed 19"), f"the bot catches up in {chat}")
    await eventually(lambda: at_bot("edit", f"edited again {chat}"), f"the bot catches the edit in {chat}")
    missed = [line["text"] for line in mirror.seen("new", chat) if line["text"].startswith("missed ")]
    assert missed == [f"missed {number}" for number in range(20)], "each once, in order"

    theirs, ours = await history(), mirror.texts(chat)
    if chat < -(10**12):
        assert ours == theirs, "in channels the numbers are everybody's"
    else:
        assert [text for _, text in ours] == [text for _, text in theirs]
