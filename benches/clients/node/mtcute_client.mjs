// mtcute under measurement. What a task and an outcome are is told in ../measure/src/lib.rs.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectTcp } from '@fuman/node'
import { IntermediatePacketCodec, MemoryStorage, TelegramClient } from '@mtcute/node'
import { NodeCryptoProvider, addPublicKey } from '@mtcute/node/utils.js'

const IN_FLIGHT = 1000
const PART_KIB = 512
const NEAREST = { _: 'help.getNearestDc' }
const STATE = { _: 'updates.getState' }

const input = createInterface(process.stdin)[Symbol.asyncIterator]()
const say = (value) => new Promise((done) => { process.stdout.write(`${JSON.stringify(value)}\n`, done) })

const cpu = () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  return [userCPUTime / 1e6, (userCPUTime + systemCPUTime) / 1e6]
}

function start() {
  const [user, all] = cpu()
  const started = performance.now()
  return (count) => {
    const [userNow, allNow] = cpu()
    return { count, seconds: (performance.now() - started) / 1e3, user: userNow - user, all: allNow - all }
  }
}

/** Says that everything is ready, and waits for `go`. */
async function ready() {
  await say({ ready: true })
  const { value } = await input.next()
  if (value !== 'go') throw new Error(`\`go\` was expected, ${value} came`)
  return start()
}

/** The memory of this process when what was begun is over; `--expose-gc` is needed. */
async function resident() {
  await sleep(3000)
  globalThis.gc()
  return Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096
}

async function newClient(task) {
  const [, ipAddress, port] = /^(.*):(\d+)$/.exec(task.address)
  const dc = { id: task.dc, ipAddress, port: Number(port) }
  const client = new TelegramClient({
    apiId: 1,
    apiHash: '0123456789abcdef0123456789abcdef',
    storage: new MemoryStorage(),
    defaultDcs: { main: dc, media: dc },
    // Else it says on standard output what it tries again.
    logLevel: 0,
    transport: {
      async connect(to) {
        const connection = await connectTcp({ address: to.ipAddress, port: to.port })
        connection.setNoDelay(true)
        return connection
      },
      packetCodec: () => new IntermediatePacketCodec(),
    },
  })
  const crypto = new NodeCryptoProvider()
  await crypto.initialize?.()
  addPublicKey(crypto, task.public_key)
  return client
}

async function logIn(task, token = task.tokens[0]) {
  const client = await newClient(task)
  await client.start({ botToken: token })
  return client
}

const scenarios = {
  async handshake(task) {
    const one = async () => {
      const client = await newClient(task)
      const watch = start()
      await client.connect()
      await client.call(NEAREST)
      const done = watch(1)
      await client.destroy()
      return done
    }
    await one()
    await ready()
    const done = []
    for (let number = 0; number < task.amount; number += 1) done.push(await one())
    const sum = (key) => done.reduce((total, each) => total + each[key], 0)
    const sorted = done.map((each) => each.seconds).sort((one, other) => one - other)
    const median = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
    return { count: done.length, seconds: sum('seconds'), user: sum('user'), all: sum('all'), median }
  },

  async calls(task) {
    const client = await logIn(task)
    await client.call(STATE)
    const watch = await ready()
    for (let number = 0; number < task.amount; number += 1) await client.call(STATE)
    return watch(task.amount)
  },

  async in_flight(task) {
    const client = await logIn(task)
    await client.call(STATE)
    const watch = await ready()
    const rounds = Math.floor(task.amount / IN_FLIGHT)
    await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
      for (let round = 0; round < rounds; round += 1) await client.call(STATE)
    }))
    return watch(rounds * IN_FLIGHT)
  },

  async updates(task) {
    const client = await logIn(task)
    let seen = 0
    const all = new Promise((done) => {
      client.onNewMessage.add((message) => {
        // What was there before is not of the burst.
        if (!message.text.startsWith('message ')) return
        seen += 1
        if (seen === task.amount) done()
      })
    })
    await client.call(STATE)
    const watch = await ready()
    await all
    return watch(seen)
  },

  async download(task) {
    const client = await logIn(task)
    const [small, large] = await client.getMessages(task.person, [task.small_file, task.file])
    const fetch = async (message) => {
      let came = 0
      for await (const piece of client.downloadAsIterable(message.media, { partSize: PART_KIB })) came += piece.length
      return came
    }
    await fetch(small)
    const watch = await ready()
    return watch(await fetch(large))
  },

  async upload(task) {
    const client = await logIn(task)
    const [large, small] = task.paths
    await client.uploadFile({ file: small, partSize: PART_KIB })
    const watch = await ready()
    await client.uploadFile({ file: large, partSize: PART_KIB })
    return watch(task.amount)
  },

  async idle(task) {
    const watch = await ready()
    const clients = []
    let first = 0
    for (const token of task.tokens) {
      const client = await logIn(task, token)
      client.onNewMessage.add(() => {})
      await client.call(STATE)
      clients.push(client)
      if (clients.length === 1) first = await resident()
    }
    const more = Math.max(clients.length - 1, 1)
    const bytes = Math.max(Math.floor((await resident() - first) / more), 0)
    return { ...watch(more), bytes }
  },
}

try {
  const task = JSON.parse((await input.next()).value)
  await say(await scenarios[task.scenario](task))
  // Nothing that a client leaves running shall keep this process.
  process.exit(0)
} catch (error) {
  console.error(String(error))
  process.exit(1)
}
