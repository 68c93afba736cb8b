import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { answerWithNodeCrypto, type CryptographicQuestion } from '../src/dtls-answers.ts'
import { ProvenKeys } from '../src/proven-keys.ts'

interface Peer {
  readonly privateKey: KeyObject
  /** As much of a certificate as a handshake reads of it before its chain is judged. */
  readonly certificate: Uint8Array
}

function makePeer(): Peer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const empty = Buffer.from('3000', 'hex')
  const serialNumber = Buffer.from('020101', 'hex')
  const key = publicKey.export({ format: 'der', type: 'spki' })
  return { privateKey, certificate: sequence(sequence(serialNumber, empty, empty, empty, empty, key)) }
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => {
  const contents = Buffer.concat(parts)
  return Buffer.concat([Buffer.of(0x30, 0x81, contents.length), contents])
}

const content = randomBytes(64)

const signedBy = (signer: Peer, certificate: Uint8Array): CryptographicQuestion => ({
  kind: 'verifySignature',
  scheme: 'ecdsa_sha256',
  certificate,
  content,
  signature: sign('sha256', content, signer.privateKey),
})

const verdictOf = (question: CryptographicQuestion, keys: ProvenKeys) => {
  const answer = answerWithNodeCrypto(question, undefined, keys)
  return answer.kind === 'verifySignature' ? answer.verdict : answer.kind
}

describe('the keys that peers have proven', () => {
  it('are remembered once they have signed a handshake, and refuse a signature of another key as before', () => {
    const keys = new ProvenKeys(10)
    const [device, thief] = [makePeer(), makePeer()]
    expect(verdictOf(signedBy(thief, device.certificate), keys)).toBe('invalid')
    expect(keys.size).toBe(0)
    expect(verdictOf(signedBy(device, device.certificate), keys)).toBe('valid')
    expect(keys.size).toBe(1)
    expect(verdictOf(signedBy(thief, device.certificate), keys)).toBe('invalid')
    expect(verdictOf(signedBy(device, thief.certificate), keys)).toBe('invalid')
    expect(verdictOf(signedBy(device, device.certificate), keys)).toBe('valid')
    expect(keys.size).toBe(1)
  })

  it('are no more than there is room for: the longest unused is forgotten', () => {
    const keys = new ProvenKeys(2)
    const key = createSecretKey(randomBytes(16))
    for (const spki of ['a', 'b', 'a', 'c']) keys.remember(spki, key)
    expect([keys.find('a'), keys.find('b'), keys.find('c')]).toEqual([key, undefined, key])
    const none = new ProvenKeys(0)
    none.remember('a', key)
    expect(none.size).toBe(0)
  })
})
