// A datacenter of ours, and what a foreign client has to know of it: its address and its RSA key, nothing else.
// ACTOGRAM is the path of the `actogram` program; `cargo xtask test` sets it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export const PATIENCE = 30_000

// A client that is destroyed may leave the timer behind by which it would have renewed a key tomorrow. It shall not keep
// this process from ending. This file has to be imported before the client, which takes its timers from here.
const { setTimeout: startTimer } = globalThis
globalThis.setTimeout = (callback, delay, ...rest) => {
  const timer = startTimer(callback, delay, ...rest)
  return delay > 10 * PATIENCE ? timer.unref() : timer
}

export class Datacenter {
  /** Starts one whose key mtcute finds: it looks for fingerprints without their leading zeros, which it stored with them. */
  static async start(bot) {
    for (;;) {
      const running = await Datacenter.launch(bot)
      if (!running.find('ready').fingerprint.startsWith('0')) return running
      running.process.kill('SIGKILL')
      await once(running.process, 'exit')
    }
  }

  static async launch(bot) {
    const program = process.env.ACTOGRAM
    assert.ok(program, 'ACTOGRAM is not set: `cargo xtask test` builds the program and sets it')
    const running = new Datacenter()
    running.events = []
    running.process = spawn(program, ['datacenter', '--json', '--listen', '127.0.0.1:0', '--bot', bot], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface(running.process.stdout).on('line', (line) => running.events.push(JSON.parse(line)))
    await eventually(() => running.find('bot'), 'the datacenter starts')
    const ready = running.find('ready')
    const [, host, port] = /^(.*):(\d+)$/.exec(ready.address)
    Object.assign(running, { host, port: Number(port), id: ready.dc, publicKey: ready.public_key })
    return running
  }

  find(kind, matches = () => true) {
    return this.events.findLast((event) => event.event === kind && matches(event))
  }

  async code(phone, seen) {
    const digits = phone.replace('+', '')
    const issued = () => this.events.filter((event) => event.event === 'login_code' && event.phone.replace('+', '') === digits)
    await eventually(() => issued().length > seen, `a login code for ${phone}`)
    return issued().at(-1).code
  }

  async stop() {
    this.process.kill('SIGINT')
    const [code] = this.process.exitCode === null ? await once(this.process, 'exit') : [this.process.exitCode]
    assert.equal(code, 0, 'the datacenter ends well')
  }
}

/** A TCP relay in front of the datacenter that can be cut, as a network is. */
export class Cable {
  static async lay(datacenter) {
    const cable = new Cable()
    cable.sockets = new Set()
    cable.accepted = 0
    cable.blocked = false
    cable.server = createServer((near) => {
      if (cable.blocked) return near.destroy()
      cable.accepted += 1
      const far = connect(datacenter.port, datacenter.host)
      for (const [one, other] of [[near, far], [far, near]]) {
        cable.sockets.add(one)
        one.on('error', () => {}).on('close', () => {
          cable.sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    cable.server.listen(0, '127.0.0.1')
    await once(cable.server, 'listening')
    Object.assign(cable, { host: '127.0.0.1', port: cable.server.address().port, id: datacenter.id })
    return cable
  }

  cut() {
    for (const socket of this.sockets) socket.destroy()
  }

  remove() {
    this.server.close()
    this.cut()
  }
}

export async function eventually(condition, what) {
  const end = Date.now() + PATIENCE
  for (;;) {
    const found = condition()
    if (found) return found
    assert.ok(Date.now() < end, `not within ${PATIENCE} ms: ${what}`)
    await sleep(20)
  }
}
