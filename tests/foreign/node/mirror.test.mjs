// A bot of ours talks with mtcute in private, in a supergroup and in a channel; what they see and what it sees agree.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Datacenter, PATIENCE, eventually } from './datacenter.mjs'
import { mirrored } from './mirror.mjs'
import { personOf } from './people.mjs'

const BOT = 'mtcute_mirror_bot'
const timeout = 5 * PATIENCE
let datacenter

before(async () => { datacenter = await Datacenter.start(BOT) })
after(async () => { await datacenter?.stop() })

/** What stands in a chat, as the bot knows it. */
function textsOf(mirror, chat) {
  const known = new Map()
  for (const line of [...mirror.seen('new', chat), ...mirror.seen('edit', chat)]) known.set(line.ids[0], line.text)
  const gone = mirror.seen('delete').filter((line) => line.chat === null || line.chat === chat).flatMap((line) => line.ids)
  return [...known].filter(([id]) => !gone.includes(id)).sort(([one], [other]) => one - other).map(([, text]) => text)
}

const CHATS = {
  async private(human) {
    return { peer: BOT, number: (await human.getMe()).id }
  },
  async supergroup(human) {
    const made = await human.createSupergroup({ title: 'supergroup' })
    await human.addChatMembers(made.id, [BOT], {})
    return { peer: made.id, number: made.id }
  },
  async channel(human) {
    const made = await human.createChannel({ title: 'channel' })
    await human.editAdminRights({ chatId: made.id, userId: BOT, rights: { postMessages: true, editMessages: true } })
    return { peer: made.id, number: made.id }
  },
}

for (const [kind, make] of Object.entries(CHATS)) {
  test(`a bot of ours and mtcute agree in ${kind}`, { timeout }, async (t) => {
    const mirror = await mirrored(datacenter, t)
    const human = await personOf(datacenter, t, 'Ada')
    const { peer, number } = await make(human)
    const atBot = (what, text) => mirror.seen(what, number).some((line) => line.text === text)

    const hello = await human.sendText(peer, 'hello')
    await eventually(() => atBot('new', 'hello'), 'the bot sees the message')
    await human.editMessage({ message: hello, text: 'edited' })
    await eventually(() => atBot('edit', 'edited'), 'the bot sees the edit')
    const gone = await human.sendText(peer, 'gone')
    await eventually(() => atBot('new', 'gone'), 'the bot sees the next one')
    await human.deleteMessages([gone], { revoke: true })
    await eventually(() => !textsOf(mirror, number).includes('gone'), 'the bot sees it go')

    await human.sendText(peer, '/button')
    await eventually(() => atBot('new', '/button'), 'the bot sees the command')
    let offer
    while (!offer) offer = (await human.getHistory(peer, { limit: 5 })).find((message) => message.markup)
    const answer = await human.getCallbackAnswer({ message: offer, data: 'press', timeout: PATIENCE })
    assert.equal(answer.message, 'pressed')
    assert.ok(mirror.seen('press', number).length)

    mirror.cable.blocked = true
    mirror.cable.cut()
    for (let count = 0; count < 20; count += 1) await human.sendText(peer, `missed ${count}`)
    mirror.cable.blocked = false
    await eventually(() => atBot('new', 'missed 19'), 'the bot catches up')
    const missed = mirror.seen('new', number).map((line) => line.text).filter((text) => text.startsWith('missed '))
    assert.deepEqual(missed, Array.from({ length: 20 }, (_, count) => `missed ${count}`), 'each once, in order')

    const history = (await human.getHistory(peer, { limit: 100 })).reverse()
    const own = history.filter((message) => message.action === null && !message.markup).map((message) => message.text)
    assert.deepEqual(textsOf(mirror, number), own)
  })
}
