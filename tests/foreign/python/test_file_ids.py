"""File ids of the Bot API: kurigram reads what we write, and we read what kurigram writes. FILE_ID is the path of the
example of that name."""

import json
import os
import subprocess

import pytest
from pyrogram.file_id import FileId, FileType, ThumbnailSource

IDS = {"dc_id": 4, "media_id": -(2**63) + 5, "access_hash": 2**62 + 1, "file_reference": b"\x01\x00\x00\xff" * 9}
PLACE = {"volume_id": 2**40, "local_id": 123456}
SET = {"sticker_set_id": 77, "sticker_set_access_hash": -78}
CHAT = {"chat_id": -1001234567890, "chat_access_hash": 99}

CASES = {
    "document": (54, FileType.DOCUMENT, {}),
    "video": (54, FileType.VIDEO, {}),
    "voice": (30, FileType.VOICE, {}),
    "without reference": (54, FileType.STICKER, {"file_reference": b""}),
    "photo": (54, FileType.PHOTO, dict(thumbnail_source=ThumbnailSource.THUMBNAIL, thumbnail_file_type=FileType.PHOTO, thumbnail_size="y")),
    "thumbnail": (54, FileType.THUMBNAIL, dict(thumbnail_source=ThumbnailSource.THUMBNAIL, thumbnail_file_type=FileType.VIDEO, thumbnail_size="m")),
    "legacy": (54, FileType.PHOTO, dict(thumbnail_source=ThumbnailSource.FULL_LEGACY, secret=3, **PLACE)),
    "chat photo": (54, FileType.CHAT_PHOTO, dict(thumbnail_source=ThumbnailSource.CHAT_PHOTO_BIG, **CHAT)),
    "small chat photo": (54, FileType.CHAT_PHOTO, dict(thumbnail_source=ThumbnailSource.CHAT_PHOTO_SMALL, **CHAT)),
    "sticker set": (54, FileType.THUMBNAIL, dict(thumbnail_source=ThumbnailSource.STICKER_SET_THUMBNAIL_VERSION, sticker_set_version=4, **SET)),
    "photo of the age before": (30, FileType.PHOTO, dict(thumbnail_source=ThumbnailSource.THUMBNAIL, thumbnail_file_type=FileType.PHOTO, thumbnail_size="x", **PLACE)),
}


def ours(*texts):
    program = os.environ.get("FILE_ID")
    assert program, "FILE_ID is not set: `cargo xtask test` builds the program and sets it"
    told = subprocess.run([program], input="\n".join(texts), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_both_read_what_the_other_writes(name):
    minor, kind, more = CASES[name]
    theirs = FileId(major=4, minor=minor, file_type=kind, **{**IDS, **more})
    [told] = ours(theirs.encode())
    assert (told.get("id"), told.get("access_hash")) == (theirs.media_id, theirs.access_hash), told
    assert told["datacenter"] == theirs.dc_id
    assert bytes(told["reference"]) == theirs.file_reference
    again = FileId.decode(told["written"])
    fields = {key: value for key, value in vars(theirs).items() if key not in ("minor", "volume_id", "local_id") or minor >= 32}
    fields.pop("minor", None)
    assert {key: vars(again)[key] for key in fields} == fields


def test_what_neither_can_read_is_an_error():
    for told in ours("", "no file id", "AgAD"):
        assert told["error"]
