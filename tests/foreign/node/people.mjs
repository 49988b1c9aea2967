// mtcute's clients, pointed at a datacenter of ours by address and RSA key.

import assert from 'node:assert/strict'
import './datacenter.mjs'
import { connectTcp } from '@fuman/node'
import { IntermediatePacketCodec, MemoryStorage, TelegramClient, tl } from '@mtcute/node'
import { NodeCryptoProvider, addPublicKey } from '@mtcute/node/utils.js'

let numbers = 0

/** A client that is destroyed when the test ends. */
export async function clientOf(datacenter, t, { address = datacenter, codec = () => new IntermediatePacketCodec(), network } = {}) {
  const dc = { id: address.id, ipAddress: address.host, port: address.port }
  const storage = new MemoryStorage()
  const made = new TelegramClient({
    apiId: 1,
    apiHash: '0123456789abcdef0123456789abcdef',
    storage,
    defaultDcs: { main: dc, media: dc },
    logLevel: 1,
    network,
    transport: {
      async connect({ ipAddress, port }) {
        const connection = await connectTcp({ address: ipAddress, port })
        connection.setNoDelay(true)
        return connection
      },
      packetCodec: codec,
    },
  })
  const crypto = new NodeCryptoProvider()
  await crypto.initialize?.()
  addPublicKey(crypto, datacenter.publicKey)
  t.after(() => made.destroy())
  return Object.assign(made, { keysOfTest: storage.authKeys })
}

export async function botOf(datacenter, t, options) {
  const made = await clientOf(datacenter, t, options)
  await made.start({ botToken: datacenter.find('bot').token })
  return made
}

/** Signs a new person up: mtcute has no method for it. */
export async function personOf(datacenter, t, firstName, options) {
  const made = await clientOf(datacenter, t, options)
  numbers += 1
  const phone = `+1998${String(numbers).padStart(7, '0')}`
  await made.connect()
  const sent = await made.sendCode({ phone })
  const phoneCode = await datacenter.code(phone, 0)
  await assert.rejects(
    made.signIn({ phone, phoneCodeHash: sent.phoneCodeHash, phoneCode }),
    (error) => tl.RpcError.is(error) || /sign/i.test(error.message),
  )
  const signedUp = await made.call({
    _: 'auth.signUp', phoneNumber: phone, phoneCodeHash: sent.phoneCodeHash, firstName, lastName: '',
  })
  await made.notifyLoggedIn(signedUp)
  await made.startUpdatesLoop()
  return Object.assign(made, { phoneOfTest: phone })
}
