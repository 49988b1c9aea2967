// mtcute, unchanged but for address and RSA key, uses the datacenter as it uses Telegram.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Cable, Datacenter, PATIENCE, eventually } from './datacenter.mjs'
import { botOf, clientOf, personOf } from './people.mjs'
import { IntermediatePacketCodec, ObfuscatedPacketCodec, PaddedIntermediatePacketCodec, html, tl } from '@mtcute/node'

const BOT = 'mtcute_test_bot'
const timeout = 3 * PATIENCE
let datacenter

before(async () => { datacenter = await Datacenter.start(BOT) })
after(async () => { await datacenter?.stop() })

const CODECS = {
  intermediate: () => new IntermediatePacketCodec(),
  'padded intermediate': () => new PaddedIntermediatePacketCodec(),
  'obfuscated intermediate': () => new ObfuscatedPacketCodec(new IntermediatePacketCodec()),
}

const client = (t, options) => clientOf(datacenter, t, options)
const bot = (t, options) => botOf(datacenter, t, options)
const person = (t, firstName, options) => personOf(datacenter, t, firstName, options)

function collect(emitter) {
  const got = []
  emitter.add((item) => got.push(item))
  return got
}

for (const [name, codec] of Object.entries(CODECS)) {
  test(`logs in as bot over ${name}`, { timeout }, async (t) => {
    const made = await bot(t, { codec })
    const me = await made.getMe()
    assert.equal(me.isBot, true)
    assert.equal(me.username, BOT)
    assert.equal(String(me.id), datacenter.find('bot').token.split(':')[0])
  })
}

test('logs in under a temporary key that is bound to the permanent one', { timeout }, async (t) => {
  const made = await bot(t, { network: { usePfs: true } })
  assert.equal((await made.getMe()).username, BOT)
  assert.ok(await made.keysOfTest.getTemp(datacenter.id, 0, Date.now()), 'there is a temporary key')
  const plain = await bot(t)
  assert.equal(await plain.keysOfTest.getTemp(datacenter.id, 0, Date.now()), null, 'and there is none without asking')
})

test('logs in by phone and code, again without sign-up', { timeout }, async (t) => {
  const first = await person(t, 'Ada')
  const me = await first.getMe()
  assert.equal(me.firstName, 'Ada')
  assert.equal(me.isBot, false)

  const second = await client(t)
  await second.connect()
  const sent = await second.sendCode({ phone: first.phoneOfTest })
  const phoneCode = await datacenter.code(first.phoneOfTest, 1)
  const user = await second.signIn({ phone: first.phoneOfTest, phoneCodeHash: sent.phoneCodeHash, phoneCode })
  assert.equal(user.id, me.id)
})

test('a wrong token is refused by its documented error', { timeout }, async (t) => {
  const made = await client(t)
  await assert.rejects(made.start({ botToken: `1:${'A'.repeat(35)}` }), (error) => tl.RpcError.is(error, 'ACCESS_TOKEN_INVALID'))
})

test('bot and person talk, edit, delete and read history', { timeout }, async (t) => {
  const robot = await bot(t)
  const human = await person(t, 'Linus')
  const atRobot = collect(robot.onNewMessage)
  const atHuman = collect(human.onNewMessage)
  const edits = collect(human.onEditMessage)
  const deletions = collect(human.onDeleteMessage)
  const marker = randomBytes(8).toString('hex')

  await human.sendText(BOT, `hello ${marker}`)
  const received = await eventually(() => atRobot.find((m) => m.text.includes(marker)), 'the bot receives the message')
  const answer = await robot.replyText(received, html`<b>bold</b> ${marker}`)
  const got = await eventually(() => atHuman.find((m) => m.text === `bold ${marker}`), 'the person receives the answer')
  assert.deepEqual(got.entities.map((e) => [e.kind, e.offset, e.length]), [['bold', 0, 4]])
  assert.notEqual(got.replyToMessage, null)

  await robot.editMessage({ message: answer, text: `edited ${marker}` })
  await eventually(() => edits.find((m) => m.text === `edited ${marker}`), 'the edit arrives')

  const history = async () => (await human.getHistory(BOT, { limit: 10 })).map((m) => m.text).filter((text) => text.includes(marker))
  assert.deepEqual(await history(), [`edited ${marker}`, `hello ${marker}`], 'newest first')
  await human.readHistory(BOT)

  await robot.deleteMessages([answer], { revoke: true })
  await eventually(() => deletions.some((d) => d.messageIds.includes(got.id)), 'the deletion arrives')
  assert.deepEqual(await history(), [`hello ${marker}`])
})

test('reconnects after a cut and misses nothing', { timeout }, async (t) => {
  const robot = await bot(t)
  const cable = await Cable.lay(datacenter)
  t.after(() => cable.remove())
  const human = await person(t, 'Edsger', { address: cable })
  const asked = collect(robot.onNewMessage)
  const received = collect(human.onNewMessage)
  const marker = randomBytes(8).toString('hex')
  await human.sendText(BOT, `first ${marker}`)
  const question = await eventually(() => asked.find((m) => m.text === `first ${marker}`), 'the bot receives the message')

  const dials = cable.accepted
  cable.cut()
  await robot.replyText(question, `during the cut ${marker}`)
  await human.sendText(BOT, `after the cut ${marker}`)
  await eventually(() => asked.some((m) => m.text === `after the cut ${marker}`), 'sending works again')
  await eventually(() => received.some((m) => m.text === `during the cut ${marker}`), 'what came during the cut arrives')
  assert.ok(cable.accepted > dials, 'the client dialled again')
})
