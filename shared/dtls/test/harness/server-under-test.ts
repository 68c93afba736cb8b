/** A DtlsServer in process, on a clock that stands still, whose questions are answered at once unless a test says not. */

import { randomBytes } from 'node:crypto'
import { type Duration, type Instant, instant, later } from '@sallyport/clock'
import { DtlsServer, type DtlsServerConfiguration } from '../../src/dtls-server.ts'
import type { Answer, DiscardReason, Output, PeerAddress, Question } from '../../src/output.ts'
import { acceptEveryone, answerFor, type Judge, type PskTable, type ResumptionJudge } from './answers.ts'
import type { TestIdentity } from './identity.ts'

export interface SentDatagram {
  readonly peer: PeerAddress
  readonly datagram: Uint8Array
}

export type Of<Kind extends Output['kind']> = Output & { kind: Kind }

export class ServerUnderTest {
  readonly machine: DtlsServer
  readonly identity: TestIdentity
  now: Instant = instant(1_000_000)
  judge: Judge = acceptEveryone
  psks: PskTable = {}
  judgeResumption: ResumptionJudge = () => true
  /** Questions that a test answers itself. */
  holdBack: (question: Question) => boolean = () => false
  readonly heldBack: Of<'ask'>[] = []
  readonly outputs: Output[] = []
  timeout: Instant | undefined

  constructor(identity: TestIdentity, configuration: Partial<DtlsServerConfiguration> = {}) {
    this.identity = identity
    const { chain, curve } = identity
    this.machine = new DtlsServer({ chain, curve, cookieSecret: randomBytes(32), ...configuration }, this.now)
    this.drain()
  }

  /** What the server sends in answer. */
  receive(datagram: Uint8Array, from: PeerAddress): Uint8Array[] {
    // As node hands it out, and used again: a view that the machine kept by mistake turns to garbage.
    const buffer = Buffer.from(datagram)
    this.machine.handleDatagram(buffer, from, this.now)
    buffer.fill(0xee)
    return this.drain()
  }

  advance(by: Duration): Uint8Array[] {
    this.now = later(this.now, by)
    this.timeout = undefined
    this.machine.handleTimeout(this.now)
    return this.drain()
  }

  /** @param change to the answers, where a test knows better */
  answerHeldBack(change: (answer: Answer) => Answer = (answer) => answer): Uint8Array[] {
    for (const { handle, question } of this.heldBack.splice(0)) {
      this.machine.answer(handle, change(this.#answerFor(question)), this.now)
    }
    return this.drain()
  }

  drain(): Uint8Array[] {
    const sent: Uint8Array[] = []
    for (let output = this.machine.takeOutput(); output !== undefined; output = this.machine.takeOutput()) {
      this.outputs.push(output)
      if (output.kind === 'send') sent.push(output.datagram)
      else if (output.kind === 'setTimeout') this.timeout = output.at
      else if (output.kind === 'makeCookieSecret') this.machine.rotateCookieSecret(randomBytes(32))
      else if (output.kind === 'ask' && this.holdBack(output.question)) this.heldBack.push(output)
      else if (output.kind === 'ask') {
        this.machine.answer(output.handle, this.#answerFor(output.question), this.now)
      }
    }
    return sent
  }

  #answerFor(question: Question): Answer {
    return answerFor(question, this.identity, this.judge, this.psks, this.judgeResumption)
  }

  all<Kind extends Output['kind']>(kind: Kind): Of<Kind>[] {
    return this.outputs.filter((output): output is Of<Kind> => output.kind === kind)
  }

  get data(): string[] {
    return this.all('data').map((output) => Buffer.from(output.plaintext).toString())
  }

  get failures(): Of<'handshakeFailed'>[] {
    return this.all('handshakeFailed')
  }

  discards(reason: DiscardReason): number {
    return this.all('discarded').filter((output) => output.reason === reason).length
  }
}
