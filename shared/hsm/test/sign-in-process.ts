/** A process of its own that signs with the first key of a token: `MODULE LABEL LOCK COUNT`, the PIN on standard input. */

import { text } from 'node:stream/consumers'
import { SecretBytes, utf8 } from '@sallyport/bytes'
import { fileTokenLock, openToken } from '../src/index.ts'

const [modulePath = '', tokenLabel = '', lockPath = '', count = '0'] = process.argv.slice(2)
const token = await openToken({
  modulePath,
  tokenLabel,
  pin: SecretBytes.fromText(await text(process.stdin)),
  lock: fileTokenLock(lockPath),
})
const [key] = await token.listEcKeys()
if (key === undefined) throw new Error('the token has no key')
const signed = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => key.sign(utf8(`message ${index}`))),
)
await token.close()
process.stdout.write(`${signed.length} signed\n`)
