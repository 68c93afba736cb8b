import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CipherSuiteName, cipherSuites } from '../src/cipher-suite.ts'
import { noConnectionId } from '../src/connection-id.ts'
import { createWriteEpoch, takeSequence } from '../src/epoch.ts'
import { contentTypes, maxSequence, readRecord, recordHeaderLength, writeRecordHeader } from '../src/record.ts'
import { RecordLayer, SequenceExhausted } from '../src/record-layer.ts'
import { protectWithNodeCrypto } from '../src/record-protection.ts'

const suiteNames = Object.keys(cipherSuites) as CipherSuiteName[]

const keysFor = (cipherSuite: CipherSuiteName) => ({
  cipherSuite,
  key: new Uint8Array(randomBytes(cipherSuites[cipherSuite].keyLength)),
  salt: randomBytes(4).readUInt32BE(),
})

describe('record headers (RFC 6347 section 4.1)', () => {
  it('are read as they were written, at the boundaries of epoch and sequence number too', () => {
    const sequences = [0, 1, 2 ** 24 - 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33, maxSequence]
    for (const sequence of sequences) {
      for (const epoch of [0, 1, 255, 256, 65_535]) {
        const bytes = new Uint8Array(recordHeaderLength + 3).fill(9)
        writeRecordHeader(bytes, 0, { type: contentTypes.alert, epoch, sequence, length: 3 })
        expect(readRecord(bytes, 0)).toMatchObject({ type: 21, version: 0xfefd, epoch, sequence })
      }
    }
  })

  it('[5.9] any bytes are read as records or not at all, and reading always moves on', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (let offset = 0; offset < bytes.length; ) {
          const record = readRecord(bytes, offset)
          if (record === undefined) return
          expect(record.whole.length).toBeGreaterThanOrEqual(recordHeaderLength)
          offset += record.whole.length
          expect(offset).toBeLessThanOrEqual(bytes.length)
        }
      }),
    )
  })
})

describe('record protection (RFC 5246 section 6.2.3.3)', () => {
  for (const name of suiteNames) {
    it(`${name} opens what it sealed, and nothing with any bit changed`, () => {
      const keys = keysFor(name)
      const protection = protectWithNodeCrypto(keys)
      for (const length of [0, 1, 15, 16, 17, 1000]) {
        const plaintext = randomBytes(length)
        const sealed = new Uint8Array(protection.overhead + length)
        const sequence = 2 ** 33 + length
        const written = protection.seal({ type: 23, epoch: 1, sequence, plaintext }, sealed, 0)
        expect(written).toBe(sealed.length)
        const open = (bytes: Uint8Array): Uint8Array | undefined => {
          const record = readRecord(bytes, 0)
          return record === undefined ? undefined : protectWithNodeCrypto(keys).open(record)
        }
        expect(Buffer.compare(open(sealed) ?? Buffer.from('none'), plaintext)).toBe(0)
        for (let at = 0; at < Math.min(sealed.length, 60); at += 1) {
          expect(open(sealed.with(at, (sealed[at] ?? 0) ^ 0x10))).toBeUndefined()
        }
      }
    })
  }

  it('GHSA-9f3f-wv7r-qc8r (pion): the explicit nonce is epoch and sequence number, so it repeats only if a number does', () => {
    const protection = protectWithNodeCrypto(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'))
    const sealed = new Uint8Array(protection.overhead)
    protection.seal({ type: 23, epoch: 1, sequence: 0x0102_0304_0506, plaintext: new Uint8Array(0) }, sealed, 0)
    expect(Buffer.from(sealed.subarray(13, 21)).toString('hex')).toBe('0001010203040506')
    expect(Buffer.from(sealed.subarray(3, 11)).toString('hex')).toBe('0001010203040506')
  })
})

describe('the record layer (RFC 6347 section 4.1)', () => {
  it('GHSA-9f3f-wv7r-qc8r (pion): never gives out a number twice, and stops hard at the end of its generation', () => {
    const write = createWriteEpoch(1, keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'))
    expect([takeSequence(write), takeSequence(write), takeSequence(write)]).toEqual([0, 1, 2])
    write.nextSequence = write.lastSequence
    expect(takeSequence(write)).toBe(2 ** 32 - 1)
    expect(takeSequence(write)).toBeUndefined()
    expect(takeSequence(write)).toBeUndefined()
  })

  it('a later generation shares no number with an earlier one, up to the last of 65 536', () => {
    const keys = keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256')
    expect(createWriteEpoch(1, keys, noConnectionId, 1).nextSequence).toBe(
      createWriteEpoch(1, keys, noConnectionId, 0).lastSequence + 1,
    )
    expect(createWriteEpoch(1, keys, noConnectionId, 65_535).lastSequence).toBe(maxSequence)
  })

  it('refuses to seal when the numbers are used up', () => {
    const layer = new RecordLayer(protectWithNodeCrypto, 0)
    layer.installWriteKeys(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'))
    if (layer.state.write !== undefined) layer.state.write.nextSequence = 2 ** 32
    expect(() => layer.seal(contentTypes.applicationData, new Uint8Array(1))).toThrow(SequenceExhausted)
  })

  it('takes 2^14 bytes into a record and no byte more (RFC 5246 section 6.2.1)', () => {
    const layer = new RecordLayer(protectWithNodeCrypto, 0)
    layer.installWriteKeys(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'))
    expect(layer.seal(contentTypes.applicationData, new Uint8Array(2 ** 14)).length).toBe(2 ** 14 + 29)
    expect(() => layer.seal(contentTypes.applicationData, new Uint8Array(2 ** 14 + 1))).toThrow(RangeError)
  })

  it('counts forgeries up to the limit of the suite, 2^20 for CCM_8', () => {
    const layer = new RecordLayer(protectWithNodeCrypto, 0)
    layer.installReadKeys(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'))
    if (layer.state.read !== undefined) layer.state.read.forgeries = 2 ** 20 - 1
    expect(layer.forgeryLimitReached).toBe(false)
    const forged = new Uint8Array(recordHeaderLength + 40)
    writeRecordHeader(forged, 0, { type: contentTypes.applicationData, epoch: 1, sequence: 0, length: 40 })
    const record = readRecord(forged, 0)
    expect(record === undefined ? undefined : layer.open(record)).toEqual({ accepted: false, reason: 'not-authentic' })
    expect(layer.forgeryLimitReached).toBe(true)
  })

  it('its state is plain data: it survives a copy by structure', () => {
    const layer = new RecordLayer(protectWithNodeCrypto, 0)
    layer.installWriteKeys(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_CCM'))
    layer.installReadKeys(keysFor('TLS_ECDHE_ECDSA_WITH_AES_128_CCM'))
    expect(structuredClone(layer.state)).toEqual(layer.state)
  })
})
