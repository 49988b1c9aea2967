// Files go between mtcute and a bot of ours, in both directions: what one uploads the other downloads, and sends back.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { InputMedia } from '@mtcute/node'
import { Datacenter, PATIENCE } from './datacenter.mjs'
import { mirrored } from './mirror.mjs'
import { personOf } from './people.mjs'

const BOT = 'mtcute_files_bot'
const timeout = 5 * PATIENCE
let datacenter

before(async () => { datacenter = await Datacenter.start(BOT) })
after(async () => { await datacenter?.stop() })

for (const [kind, size] of Object.entries({ small: 100_001, big: 11 * 1024 * 1024 + 7 })) {
  test(`mtcute gets back a ${kind} file that it sent`, { timeout }, async (t) => {
    await mirrored(datacenter, t)
    const human = await personOf(datacenter, t, 'Ada')
    const content = randomBytes(size)
    const sent = await human.sendMedia(BOT, InputMedia.document(content, { fileName: 'sent.bin' }))
    let back
    while (!back) {
      const newest = await human.getHistory(BOT, { limit: 1 })
      back = newest.find((message) => message.replyToMessage?.id === sent.id)
    }
    assert.equal(back.media.fileName, 'sent.bin')
    for (const message of [sent, back]) {
      const got = await human.downloadAsBuffer(message.media)
      assert.ok(Buffer.from(got).equals(content), 'the bytes are those that were sent')
    }
  })
}
