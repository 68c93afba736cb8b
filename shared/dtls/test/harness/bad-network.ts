/**
 * Our client and our server over a network that loses, delays, doubles and cuts datagrams, in virtual time and from a
 * seed: the same seed gives the same run but for key material.
 */

import { randomBytes } from 'node:crypto'
import { type Instant, instant } from '@sallyport/clock'
import type { CipherSuiteName } from '../../src/cipher-suite.ts'
import type { ClientSession } from '../../src/client-session.ts'
import { DtlsClient, type DtlsClientConfiguration } from '../../src/dtls-client.ts'
import { DtlsServer } from '../../src/dtls-server.ts'
import type { Output, PeerAddress } from '../../src/output.ts'
import { acceptEveryone, answerFor } from './answers.ts'
import type { TestIdentity } from './identity.ts'

/** Probabilities from 0 to 1, for each datagram and each way. */
export interface Faults {
  readonly drop: number
  readonly duplicate: number
  /** Held back for up to half a second, and so overtaken. */
  readonly delay: number
  readonly truncate: number
}

export interface Run {
  readonly seed: number
  readonly faults: Faults
  readonly server: TestIdentity
  readonly client: TestIdentity
  readonly mtu?: number
  /** What the client asks for. */
  readonly recordSizes?: Pick<DtlsClientConfiguration, 'maxFragmentLength' | 'recordSizeLimit'>
  /** Once connected, over the bad network: messages of random lengths that each side sends, as long as records allow. */
  readonly talk?: number
  /** Both sides prove this key in place of certificates. */
  readonly psk?: {
    readonly identity: string
    readonly key: Uint8Array
    readonly cipherSuites?: readonly CipherSuiteName[]
  }
  /** What the client wants to read; absent: no connection IDs. */
  readonly connectionId?: Uint8Array
  /** The handshake over the bad network is an abbreviated one, with the session of one over a good network. */
  readonly resumes?: boolean
  /** Once connected, over the bad network: how many messages are sent, and from how many addresses. */
  readonly conversation?: { readonly messages: number; readonly addresses: number }
  /** Milliseconds of virtual time. */
  readonly limit: number
}

export interface RunResult {
  /** Milliseconds from the first hello until the client was connected. */
  readonly connectedAfter: number | undefined
  /** What both sides say of the association in use. */
  readonly resumed: boolean
  readonly datagrams: number
  readonly largestDatagram: number
  /** After the run: a message each way over the repaired network. */
  readonly echoed: boolean
  /** Whether the server, after that, sends to where the client is. */
  readonly followed: boolean
  /** Of `talk`: what each side has heard of the other. */
  readonly heard: { readonly server: readonly string[]; readonly client: readonly string[] }
  /** Of `talk`: what each side has sent. */
  readonly said: { readonly server: readonly string[]; readonly client: readonly string[] }
}

interface InFlight {
  readonly at: number
  readonly to: 'server' | 'client'
  /** Of the client: where the datagram comes from, or is sent to. */
  readonly address: PeerAddress
  readonly bytes: Uint8Array
}

const latency = 10
const talkMark = '#'
const maxDelay = 500
const firstClientPort = 40_000
const serverAddress = { address: '192.0.2.2', port: 5684 }

/** A small generator of pseudorandom numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function runHandshake(run: Run): RunResult {
  return new Simulation(run).result()
}

class Simulation {
  readonly #run: Run
  readonly #random: () => number
  readonly #server: DtlsServer
  #client: DtlsClient
  /** When the client under test said its first hello. */
  #startedAt = instant(0)
  readonly #resumed = { server: false, client: false }
  #session: ClientSession | undefined
  readonly #timeouts: { server: Instant | undefined; client: Instant | undefined } = {
    server: undefined,
    client: undefined,
  }
  #faults: Faults
  #inFlight: InFlight[] = []
  #now = instant(0)
  #datagrams = 0
  #largestDatagram = 0
  #connectedAfter: number | undefined
  #echoed = false
  readonly #heard = { server: [] as string[], client: [] as string[] }
  readonly #said = { server: [] as string[], client: [] as string[] }
  readonly #connected: { [side in 'server' | 'client']?: Output & { kind: 'connected' } } = {}
  #clientAddress: PeerAddress = { address: '192.0.2.1', port: firstClientPort }
  #serverSendsTo: PeerAddress | undefined

  constructor(run: Run) {
    this.#run = run
    this.#random = randomFrom(run.seed)
    this.#faults = run.faults
    const { server, mtu = 1200 } = run
    this.#server = new DtlsServer(
      {
        chain: server.chain,
        curve: server.curve,
        cookieSecret: randomBytes(32),
        mtu,
        ...(run.psk === undefined ? {} : { psk: {} }),
        sealingKeys: { current: { id: randomBytes(8), key: randomBytes(32) } },
      },
      this.#now,
    )
    this.#client = this.#newClient(undefined)
  }

  #newClient(session: ClientSession | undefined): DtlsClient {
    const { client: certificate, mtu = 1200, psk, connectionId, resumes = false } = this.#run
    return new DtlsClient(
      {
        server: serverAddress,
        random: randomBytes(32),
        certificate,
        ...(psk === undefined ? {} : { psk: { identity: Buffer.from(psk.identity), key: psk.key } }),
        ...(psk?.cipherSuites === undefined ? {} : { cipherSuites: psk.cipherSuites }),
        mtu,
        ...this.#run.recordSizes,
        wantsSession: resumes,
        session,
        ...(connectionId === undefined ? {} : { connectionId }),
      },
      this.#now,
    )
  }

  /** Over a good network, and then begins again from another address. */
  #takeSession(): void {
    const faults = this.#faults
    this.#faults = { drop: 0, duplicate: 0, delay: 0, truncate: 0 }
    while (this.#session === undefined && this.#step(this.#run.limit));
    this.#exchange()
    this.#faults = faults
    this.#inFlight = []
    this.#connectedAfter = undefined
    this.#datagrams = 0
    this.#timeouts.client = undefined
    this.#clientAddress = { ...this.#clientAddress, port: this.#clientAddress.port - 1 }
    this.#startedAt = this.#now
    this.#client = this.#newClient(this.#session)
    this.#drain('client')
  }

  result(): RunResult {
    this.#drain('server')
    this.#drain('client')
    if (this.#run.resumes === true) this.#takeSession()
    while (this.#connectedAfter === undefined && this.#step(this.#startedAt + this.#run.limit));
    if (this.#connectedAfter !== undefined) {
      this.#talk()
      this.#converse()
      this.#exchange()
    }
    return {
      connectedAfter: this.#connectedAfter,
      resumed: this.#resumed.server && this.#resumed.client,
      datagrams: this.#datagrams,
      largestDatagram: this.#largestDatagram,
      echoed: this.#echoed,
      followed: this.#serverSendsTo?.port === this.#clientAddress.port,
      heard: this.#heard,
      said: this.#said,
    }
  }

  #talk(): void {
    for (let message = 0; message < (this.#run.talk ?? 0); message += 1) {
      for (const side of ['server', 'client'] as const) {
        const { association, maxMessageBytes } = this.#connected[side] ?? { association: -1, maxMessageBytes: 0 }
        const filler = 'x'.repeat(Math.floor(this.#random() * Math.min(maxMessageBytes, this.#run.mtu ?? 1200)))
        const text = `${talkMark}${side} ${message} ${filler}`.slice(0, maxMessageBytes)
        // The server may still wait for the client's Finished, and then has nobody to talk to.
        const sent =
          side === 'client' ? this.#client.send(Buffer.from(text)) : this.#server.send(association, Buffer.from(text))
        if (sent) this.#said[side].push(text)
        this.#drain(side)
      }
      const until = this.#now + Math.floor(this.#random() * 2 * maxDelay)
      while (this.#step(until));
      this.#now = instant(Math.max(this.#now, until))
    }
  }

  /** The NAT gives the client another address in between, now and then one that it had before. */
  #converse(): void {
    const { messages, addresses } = this.#run.conversation ?? { messages: 0, addresses: 1 }
    for (let message = 0; message < messages; message += 1) {
      const port = firstClientPort + Math.floor(this.#random() * addresses)
      this.#clientAddress = { ...this.#clientAddress, port }
      this.#client.send(Buffer.from('are you there?'))
      this.#drain('client')
      const until = this.#now + Math.floor(this.#random() * 2 * maxDelay)
      while (this.#step(until));
      this.#now = instant(Math.max(this.#now, until))
    }
  }

  #exchange(): void {
    this.#echoed = false
    // A client that resumes is connected while its last flight is still on its way, which the server may have to ask for.
    if (this.#run.resumes !== true) this.#inFlight = []
    this.#faults = { drop: 0, duplicate: 0, delay: 0, truncate: 0 }
    // Again until it is answered, as CoAP does: while a client's new path is being checked, little is sent there.
    const patience = this.#run.resumes === true ? 60_000 : 1000
    for (let tries = 0; tries < 8 && !this.#echoed; tries += 1) {
      this.#client.send(Buffer.from('ping'))
      this.#drain('client')
      const until = this.#now + patience
      while (!this.#echoed && this.#step(until));
      if (!this.#echoed) this.#now = instant(until)
    }
  }

  #step(until: number): boolean {
    this.#inFlight.sort((a, b) => a.at - b.at)
    const [next] = this.#inFlight
    const times = [next?.at, this.#timeouts.server, this.#timeouts.client].filter((at) => at !== undefined)
    const at = Math.min(...times)
    if (times.length === 0 || at > until) return false
    this.#now = instant(Math.max(this.#now, at))
    if (next !== undefined && next.at === at) {
      this.#inFlight.shift()
      if (next.to === 'server') this.#server.handleDatagram(next.bytes, next.address, this.#now)
      else if (next.address.port === this.#clientAddress.port) this.#client.handleDatagram(next.bytes, this.#now)
      next.bytes.fill(0xee)
    } else if (this.#timeouts.server === at) {
      this.#timeouts.server = undefined
      this.#server.handleTimeout(this.#now)
    } else {
      this.#timeouts.client = undefined
      this.#client.handleTimeout(this.#now)
    }
    this.#drain('server')
    this.#drain('client')
    return true
  }

  #drain(side: 'server' | 'client'): void {
    const machine = side === 'server' ? this.#server : this.#client
    for (let output = machine.takeOutput(); output !== undefined; output = machine.takeOutput()) {
      this.#handle(side, output)
    }
  }

  #handle(side: 'server' | 'client', output: Output): void {
    const machine = side === 'server' ? this.#server : this.#client
    if (output.kind === 'send') {
      if (side === 'server') this.#serverSendsTo = output.peer
      this.#send(side === 'server' ? 'client' : 'server', output)
    } else if (output.kind === 'setTimeout') {
      this.#timeouts[side] = output.at
    } else if (output.kind === 'ask') {
      const { psk } = this.#run
      const psks = psk === undefined ? {} : { [psk.identity]: psk.key }
      machine.answer(output.handle, answerFor(output.question, this.#run[side], acceptEveryone, psks), this.#now)
    } else if (output.kind === 'connected') {
      this.#resumed[side] = output.resumed
      this.#connected[side] = output
      if (side === 'server') return
      this.#connectedAfter = this.#now - this.#startedAt
      this.#session = output.session
    } else if (output.kind === 'data' && output.plaintext[0] === talkMark.charCodeAt(0)) {
      this.#heard[side].push(Buffer.from(output.plaintext).toString())
    } else if (output.kind === 'data' && side === 'server') {
      this.#server.send(output.association, Buffer.from('pong'))
    } else if (output.kind === 'data') {
      this.#echoed = true
    }
  }

  #send(to: 'server' | 'client', { datagram, peer }: Output & { kind: 'send' }): void {
    const address = to === 'client' ? peer : this.#clientAddress
    this.#datagrams += 1
    this.#largestDatagram = Math.max(this.#largestDatagram, datagram.length)
    const copies = this.#random() < this.#faults.duplicate ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.#random() < this.#faults.drop) continue
      const held = this.#random() < this.#faults.delay ? this.#random() * maxDelay : 0
      const cut =
        this.#random() < this.#faults.truncate ? Math.floor(this.#random() * datagram.length) : datagram.length
      this.#inFlight.push({
        at: this.#now + latency + held,
        to,
        address,
        bytes: Uint8Array.from(datagram.subarray(0, cut)),
      })
    }
  }
}
