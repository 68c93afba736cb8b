/**
 * Lying fragments, and records of the wrong epoch, number or kind: F9 to F12 of the project's list of hostile inputs.
 */

import { randomBytes } from 'node:crypto'
import { ByteWriter, concat } from '@sallyport/bytes'
import { seconds } from '@sallyport/clock'
import { describe, expect, it, vi } from 'vitest'
import { encodeAlert } from '../src/alert.ts'
import { handshakeTypes } from '../src/handshake-message.ts'
import { contentTypes, recordHeaderLength, writeRecordHeader } from '../src/record.ts'
import { joinDatagrams } from './harness/hostile-client.ts'
import { device, expectRefused, meet } from './harness/hostile-meeting.ts'

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 })

describe('F9: fragments (RFC 6347 section 4.2.3)', () => {
  const fragment = (type: number, length: number, sequence: number, offset: number, bytes: Uint8Array): Uint8Array =>
    new ByteWriter(12 + bytes.length)
      .u8(type)
      .u24(length)
      .u16(sequence)
      .u24(offset)
      .u24(bytes.length)
      .bytes(bytes)
      .finish()

  it('F9 lying fragments are dropped one by one and the honest message still gets through', () => {
    const { server, client } = meet()
    client.toFlight4()
    const { certificate } = handshakeTypes
    const send = (bytes: Uint8Array): unknown => client.datagram(client.record(contentTypes.handshake, bytes))
    send(fragment(certificate, 100, 2, 90, new Uint8Array(20)))
    send(fragment(certificate, 0xffffff, 2, 0, new Uint8Array(20)))
    send(fragment(certificate, 8193, 2, 0, new Uint8Array(20)))
    send(fragment(certificate, 600, 1002, 0, new Uint8Array(20)))
    send(fragment(certificate, 600, 2, 0, new Uint8Array(0)))
    send(fragment(certificate, 600, 2, 0, new Uint8Array(20)).subarray(0, 31))
    send(new Uint8Array(0))
    send(new Uint8Array(11))
    expect(server.discards('fragment-refused')).toBe(3)
    expect(server.discards('fragment-malformed')).toBe(3)
    client.toFinished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('F9 a fragment that disagrees with the first about type, length or bytes changes nothing', () => {
    const { server, client } = meet()
    client.toFlight4()
    const body = concat(Uint8Array.of(0, 0, 0))
    const send = (bytes: Uint8Array): unknown => client.datagram(client.record(contentTypes.handshake, bytes))
    send(fragment(handshakeTypes.certificate, 3, 2, 0, body.subarray(0, 2)))
    send(fragment(handshakeTypes.finished, 3, 2, 2, body.subarray(2)))
    send(fragment(handshakeTypes.certificate, 4, 2, 2, body.subarray(2)))
    send(fragment(handshakeTypes.certificate, 3, 2, 1, Uint8Array.of(9, 9)))
    expect(server.discards('fragment-refused')).toBe(3)
    expect(server.failures).toEqual([])
    send(fragment(handshakeTypes.certificate, 3, 2, 2, body.subarray(2)))
    expect(client.alerts).toEqual(['handshake_failure'])
  })

  it('F9 a chain of 7900 bytes in fragments of one byte, backwards too, is put together', () => {
    for (const backwards of [false, true]) {
      const { server, client } = meet()
      client.toFlight4()
      const chain = [...(device.chain as readonly Uint8Array[]), new Uint8Array(7400).fill(7)]
      const record = client.messageRecord(
        handshakeTypes.certificate,
        new ByteWriter()
          .vector24((list) => {
            for (const der of chain) list.vector24((entry) => entry.bytes(der))
          })
          .finish(),
      )
      const body = record.subarray(recordHeaderLength + 12)
      const offsets = Array.from(body, (_, at) => at)
      if (backwards) offsets.reverse()
      for (const at of offsets) {
        const bytes = fragment(handshakeTypes.certificate, body.length, 2, at, body.subarray(at, at + 1))
        client.datagram(client.record(contentTypes.handshake, bytes))
      }
      client.keyExchange()
      client.certificateVerify()
      client.changeCipherSpec()
      client.finished()
      expect(server.all('connected')).toHaveLength(1)
    }
  })

  it('F9 a Finished put down in the clear beforehand does not become part of the protected one', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    const poison = fragment(handshakeTypes.finished, 12, 5, 0, new Uint8Array(6).fill(0xaa))
    client.datagram(client.record(contentTypes.handshake, poison, 0))
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })
})

describe('epochs and records (RFC 6347 section 4.1)', () => {
  it('F10 application data in the clear is not delivered before, during or after the handshake', () => {
    const { server, client } = meet()
    client.applicationData('before', 0)
    client.firstHello()
    client.applicationData('cookie', 0)
    client.secondHello()
    client.applicationData('during', 0)
    client.toFinished()
    client.applicationData('after', 0)
    client.applicationData('protected')
    expect(server.data).toEqual(['protected'])
  })

  it('F10 protected application data before Finished is not delivered', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.applicationData('too early', 1)
    client.changeCipherSpec()
    client.applicationData('early', 1)
    client.finished()
    client.applicationData('now')
    expect(server.data).toEqual(['now'])
  })

  it('F10 (RFC 6347 section 4.2.6) without change_cipher_spec the handshake never ends, and is forgotten after a minute', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.epoch = 1
    client.finished()
    expect(server.machine.counts.halfOpen).toBe(1)
    for (let second = 0; second < 61; second += 1) server.advance(seconds(1))
    expectRefused(server)
    expect(server.failures[0]).toMatchObject({ code: 'handshake-timed-out', direction: 'none' })
  })

  it('F10 (RFC 5246 section 7.4.9) a Finished in the clear after change_cipher_spec does not end the handshake, whole or in part', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    const finished = client.finishedRecord({ epoch: 0, messageSequence: 5, unrecorded: true })
    expect(client.datagram(finished)).toEqual([])
    expect(server.all('connected')).toEqual([])
    expect(server.discards('plaintext-in-association')).toBe(1)
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })

  it('F11 (RFC 6347 section 4.1.2.7) records of later epochs, with lying lengths, of unknown types, or with garbage behind are survived', () => {
    const { server, client } = meet()
    client.connect()
    const raw = (type: number, epoch: number, length: number, body: Uint8Array): Uint8Array => {
      const record = new Uint8Array(recordHeaderLength + body.length)
      const header = { type: contentTypes.applicationData, epoch, sequence: 2 ** 48 - 1, length }
      writeRecordHeader(record, 0, header)
      record[0] = type
      record.set(body, recordHeaderLength)
      return record
    }
    client.datagram(raw(23, 2, 40, new Uint8Array(40)))
    client.datagram(raw(23, 65535, 40, new Uint8Array(40)))
    client.datagram(raw(23, 1, 0, new Uint8Array(0)))
    client.datagram(raw(23, 1, 500, new Uint8Array(40)))
    client.datagram(raw(23, 1, 2 ** 14 + 2049, new Uint8Array(2 ** 14 + 2049)))
    client.datagram(raw(255, 1, 40, new Uint8Array(40)))
    client.datagram(raw(24, 0, 40, new Uint8Array(40)))
    client.datagram(new Uint8Array(0))
    client.datagram(new Uint8Array(12))
    client.datagram(randomBytes(1400))
    client.datagram(joinDatagrams(client.record(contentTypes.applicationData, Buffer.from('first')), randomBytes(100)))
    client.applicationData('second')
    expect(server.data).toEqual(['first', 'second'])
    expect(client.alerts).toEqual([])
  })

  it('F11 (RFC 6347 section 4.1.2.6) a forged record with the highest number does not move the replay window', () => {
    const { server, client } = meet()
    client.connect()
    const forged = client.record(contentTypes.applicationData, Buffer.from('forged'), 1, 2 ** 48 - 1)
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    client.datagram(forged)
    client.applicationData('genuine')
    expect(server.data).toEqual(['genuine'])
    expect(server.discards('not-authentic')).toBe(1)
  })

  it('F11 a replayed record is delivered once, in whatever order it comes', () => {
    const { server, client } = meet()
    client.connect()
    const records = Array.from({ length: 20 }, (_, n) =>
      client.record(contentTypes.applicationData, Buffer.from(String(n))),
    )
    for (const record of [...records].reverse()) client.datagram(record)
    for (const record of records) client.datagram(record)
    expect(server.data).toEqual(Array.from({ length: 20 }, (_, n) => String(19 - n)))
    expect(server.discards('replayed')).toBe(20)
  })

  it('F11 (RFC 6347 section 4.1.2.1) a thousand forgeries are counted and do not end an association', () => {
    const { server, client } = meet()
    client.connect()
    const forged = client.record(contentTypes.applicationData, Buffer.from('x'), 1, 1000)
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    for (let attempt = 0; attempt < 1000; attempt += 1) client.datagram(forged)
    expect(server.all('closed')).toEqual([])
    expect(server.discards('not-authentic')).toBe(1000)
  })

  it('F12 a fatal alert or a close_notify in the clear does not touch an established association', () => {
    const { server, client } = meet()
    client.connect()
    client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
    client.datagram(client.record(contentTypes.alert, encodeAlert('warning', 'close_notify'), 0))
    client.applicationData('still here')
    expect(server.data).toEqual(['still here'])
  })

  it('F12 an alert in the clear between ChangeCipherSpec and Finished is ignored', () => {
    const { server, client } = meet()
    client.toFlight4().certificate()
    client.keyExchange()
    client.certificateVerify()
    client.changeCipherSpec()
    client.datagram(client.record(contentTypes.alert, encodeAlert('fatal', 'internal_error'), 0))
    client.finished()
    expect(server.all('connected')).toHaveLength(1)
  })
})
