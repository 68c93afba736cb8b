/**
 * The floor of the machine beside the benchmark: node:dgram and the primitives of node:crypto that a GET, a handshake and a resumed
 * one cannot do without, at the sizes of the benchmark, and nothing else: no protocol, no state, no judgement.
 *
 *   node floor-server.ts PORT
 *
 * The generator sends it plain datagrams in the order and the number of the real ones (`coaps-load PORT`); the first byte says what
 * each stands for. It is a server of its own, under the same load, because the same primitive costs two to three times as much
 * between two datagrams as in a loop: caches and branch predictors have forgotten it.
 *
 * Each primitive is called as node:crypto offers it, in the least costly way: an AEAD operation is a context of its own. Our records of
 * CCM suites do with less (`ccm.ts` of @sallyport/dtls keeps two contexts); the floor stays what it was when the aims were set by it.
 */

import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { createSocket } from 'node:dgram'

const [port = ''] = process.argv.slice(2)

// Of AES_128_CCM_8: nonce, additional data, tag (RFC 6655).

const nonce = randomBytes(12)
const additionalData = randomBytes(13)
const authTagLength = 8
const ccm = 'aes-128-ccm'
const importKey = () => createSecretKey(randomBytes(16))
const recordKey = importKey()

function seal(plaintext: Uint8Array, key = recordKey): { readonly ciphertext: Uint8Array; readonly tag: Uint8Array } {
  const cipher = createCipheriv(ccm, key, nonce, { authTagLength })
  cipher.setAAD(additionalData, { plaintextLength: plaintext.length })
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

function open({ ciphertext, tag }: ReturnType<typeof seal>): Uint8Array {
  const decipher = createDecipheriv(ccm, recordKey, nonce, { authTagLength })
  decipher.setAuthTag(tag)
  decipher.setAAD(additionalData, { plaintextLength: ciphertext.length })
  const plaintext = decipher.update(ciphertext)
  decipher.final()
  return plaintext
}

/** A GET and its answer (CoAP within the record), the Finished of either side. */
const request = seal(randomBytes(11))
const content = randomBytes(34)
const finished = seal(randomBytes(24))
const finishedContent = randomBytes(24)

// Of a handshake. The peer's key is known, its share is not.

const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const theirShare = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'pem', type: 'spki' })
/** Client random, server random, curve and share: what ServerKeyExchange signs (RFC 8422 section 5.4). */
const parameters = randomBytes(32 + 32 + 69)
const transcript = randomBytes(1900)
const certificateVerify = sign('sha256', transcript, theirs.privateKey)
const ticketKey = createSecretKey(randomBytes(32))
const ticket = randomBytes(128)

/** An HMAC is two hashes; one over a key's block and a short message takes two blocks each. */
const keyAndMessage = randomBytes(64 + 32)
function hmacs(count: number): void {
  for (let left = 2 * count; left > 0; left -= 1) hash('sha256', keyAndMessage, 'binary')
}

/** RFC 5246 section 5: blocks of P_hash, two HMACs for each. */
const prfHmacs = { masterSecret: 4, keyBlock: 4, finished: 2 }

function sealTicket(): void {
  const cipher = createCipheriv('aes-256-gcm', ticketKey, randomBytes(12))
  cipher.setAAD(additionalData)
  cipher.update(ticket)
  cipher.final()
  cipher.getAuthTag()
}

function openTicket(): void {
  // As long as sealing: a ticket of our own is made for each handshake, and a forged one would not be opened to its end.
  sealTicket()
}

let share = ours

/** What each datagram asks for, and how many bytes each datagram of its answer has. */
interface Step {
  readonly work: () => void
  readonly answers: readonly number[]
}

/** By the first byte of a datagram, as `coaps-load.c` names them. */
const steps: readonly (Step | undefined)[] = [
  undefined,
  // A hello: its cookie.
  { work: () => hmacs(1), answers: [60] },
  // The hello with its cookie: our share, signed.
  {
    work: () => {
      hmacs(1)
      share = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      share.publicKey.export({ format: 'raw-public' })
      randomBytes(32)
      sign('sha256', parameters, ours.privateKey)
    },
    answers: [900],
  },
  // Certificate, ClientKeyExchange, CertificateVerify, Finished: agreement, keys, proof, ticket.
  {
    work: () => {
      diffieHellman({ privateKey: share.privateKey, publicKey: createPublicKey(theirShare) })
      if (!verify('sha256', transcript, theirs.publicKey, certificateVerify)) throw new Error('the signature is good')
      for (let hashes = 3; hashes > 0; hashes -= 1) hash('sha256', transcript, 'binary')
      hmacs(prfHmacs.masterSecret + prfHmacs.keyBlock + 2 * prfHmacs.finished)
      open(finished)
      sealTicket()
      seal(finishedContent, importKey())
    },
    answers: [300],
  },
  // The hello with its cookie and a ticket. The client's Finished is opened here as well: it asks for no answer.
  {
    work: () => {
      hmacs(1)
      openTicket()
      sealTicket()
      randomBytes(32)
      hmacs(prfHmacs.keyBlock + 2 * prfHmacs.finished)
      seal(finishedContent, importKey())
      open(finished)
    },
    answers: [400],
  },
  // A GET.
  {
    work: () => {
      open(request)
      seal(content)
    },
    answers: [63],
  },
]

const socket = createSocket({ type: 'udp4', lookup: (address, _options, callback) => callback(null, address, 4) })
socket.on('message', (datagram, from) => {
  const step = steps[datagram[0] ?? 0]
  if (step === undefined) return
  step.work()
  for (const length of step.answers) {
    const answer = Buffer.allocUnsafe(length)
    // Which one it answers.
    answer.set(datagram.subarray(0, 3))
    socket.send(answer, from.port, from.address)
  }
})
socket.bind(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'))
