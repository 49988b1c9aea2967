// A bot of ours, in a process of its own, that writes down what it sees. MIRROR_BOT is the path of its program; `cargo xtask
// test` sets it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cable, eventually } from './datacenter.mjs'

/** The bot, behind a cable that can be cut and kept cut. */
export async function mirrored(datacenter, t) {
  const program = process.env.MIRROR_BOT
  assert.ok(program, 'MIRROR_BOT is not set: `cargo xtask test` builds the program and sets it')
  const directory = mkdtempSync(join(tmpdir(), 'mirror-'))
  const [key, file] = [join(directory, 'key.pem'), join(directory, 'mirror')]
  writeFileSync(key, datacenter.publicKey)
  const cable = await Cable.lay(datacenter)
  const running = spawn(program, [file], {
    cwd: directory,
    env: {
      ACTOGRAM_API_ID: '1',
      ACTOGRAM_API_HASH: '0123456789abcdef0123456789abcdef',
      ACTOGRAM_CALLS__RATES__KEEP: 'never',
      ACTOGRAM_BOT_TOKEN: datacenter.find('bot').token,
      ACTOGRAM_SESSION: join(directory, 'bot.session'),
      ACTOGRAM_DATACENTER__ADDRESS: `${cable.host}:${cable.port}`,
      ACTOGRAM_DATACENTER__PUBLIC_KEY: key,
    },
    stdio: 'inherit',
  })
  t.after(async () => {
    running.kill('SIGTERM')
    const [code] = running.exitCode === null ? await once(running, 'exit') : [running.exitCode]
    cable.remove()
    rmSync(directory, { recursive: true })
    assert.equal(code, 0, 'the bot ends well')
  })
  const lines = () => {
    if (!existsSync(file)) return []
    // The last line may be half written.
    return readFileSync(file, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line))
  }
  const seen = (what, chat) => lines().filter((line) => line.what === what && (chat === undefined || line.chat === chat))
  await eventually(() => seen('start').length, 'the bot has started')
  return { cable, seen }
}
