/** What tshark reads in recorded datagrams: a decoder that knows nothing of us but the key log. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PassedDatagram } from './network-address-translator.ts'

export interface DissectedDatagram {
  readonly sender: 'client' | 'server'
  /** Hexadecimal; empty for records without. */
  readonly connectionId: string
  /** Decrypted application data; empty for anything else, and for what it could not open. */
  readonly data: string
}

const ports = { client: 40_000, server: 20_001 } as const

/** One line for each datagram with a DTLS record. @throws when tshark is not installed */
export function dissect(passed: readonly PassedDatagram[], keyLog: readonly string[]): DissectedDatagram[] {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tshark-'))
  const file = (name: string): string => join(folder, name)
  try {
    writeFileSync(file('keys'), keyLog.map((line) => `${line}\n`).join(''))
    writeFileSync(file('datagrams.pcap'), Buffer.concat([captureHeader(), ...passed.map(packet)]))
    const decode = ['-o', `tls.keylog_file:${file('keys')}`, '-d', `udp.port==${ports.server},dtls`, '-Y', 'dtls']
    const fields = ['udp.srcport', 'dtls.record.connection_id', 'data.data'].flatMap((field) => ['-e', field])
    return tshark(['-r', file('datagrams.pcap'), ...decode, '-T', 'fields', '-E', 'separator=|', ...fields])
      .trimEnd()
      .split('\n')
      .map((line) => {
        const [source, connectionId = '', data = ''] = line.split('|')
        return {
          sender: source === String(ports.client) ? 'client' : 'server',
          connectionId,
          data: Buffer.from(data, 'hex').toString(),
        }
      })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function tshark(args: readonly string[]): string {
  try {
    return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 })
  } catch (cause) {
    throw new Error('this test needs the program tshark (Debian package tshark)', { cause })
  }
}

/** Of a pcap file whose packets are bare IP (LINKTYPE_RAW). */
function captureHeader(): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65_535, 16)
  header.writeUInt32LE(101, 20)
  return header
}

/** IPv4 and UDP without checksums, a millisecond after the one before. */
function packet({ sender, bytes }: PassedDatagram, index: number): Buffer {
  const [from, to] = sender === 'client' ? ([1, 2] as const) : ([2, 1] as const)
  const headers = Buffer.alloc(16 + 20 + 8)
  headers.writeUInt32LE(index * 1000, 4)
  headers.writeUInt32LE(28 + bytes.length, 8)
  headers.writeUInt32LE(28 + bytes.length, 12)
  const internet = headers.subarray(16)
  internet.set([0x45, 0])
  internet.writeUInt16BE(28 + bytes.length, 2)
  internet.set([64, 17], 8)
  internet.set([192, 0, 2, from, 192, 0, 2, to], 12)
  internet.writeUInt16BE(sender === 'client' ? ports.client : ports.server, 20)
  internet.writeUInt16BE(sender === 'client' ? ports.server : ports.client, 22)
  internet.writeUInt16BE(8 + bytes.length, 24)
  return Buffer.concat([headers, bytes])
}
