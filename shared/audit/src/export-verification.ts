/**
 * Proves an export of the audit trail line by line, in constant memory, with nothing but the file: an event that was edited, left
 * out, put in or moved, and a file that was cut off are found, the first of them with its place.
 *
 * What the file cannot show by itself: that the key of its heads is the installation's (`trustedKeys`), and that it was not cut off at an
 * earlier head and given an end there (`expectedHead`, noted elsewhere).
 */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { fromBase64, fromHex, toHex } from '@sallyport/bytes'
import { type Instant, instant, toRfc3339 } from '@sallyport/clock'
import {
  type ChainEntry,
  type ChainHead,
  type ChainPosition,
  chainEntry,
  documentSha256,
  headBytes,
} from './audit-chain.ts'
import { auditExportVersion } from './audit-export.ts'
import type { CanonicalValue } from './canonical-json.ts'
import { type ChainFaultReason, ChainVerification } from './chain-verification.ts'

export type AuditFindingReason =
  | ChainFaultReason
  | 'line-malformed'
  | 'version-unknown'
  /** The key of a head is not among those that are trusted. */
  | 'key-not-trusted'
  /** It does not begin at the beginning of the chain, nor at a signed head. */
  | 'start-unsigned'
  /** No signed head is over its last entry. */
  | 'end-unsigned'
  /** It does not come to the head that it has to come to. */
  | 'head-not-reached'

export interface AuditFinding {
  readonly reason: AuditFindingReason
  /** The line of the file, counted from 1; one past the last for what is missing at its end. */
  readonly line: number
  readonly sequence?: number
  readonly eventId?: string
}

export interface AuditExportReport {
  /** The first thing that is wrong; undefined: nothing is. */
  readonly finding?: AuditFinding
  readonly organizationId?: string
  readonly exportedAt?: string
  readonly from?: string
  readonly to?: string
  /** Sequence of the first entry; 0 where there is none. */
  readonly first: number
  /** Sequence of the last entry that follows from all before it. */
  readonly last: number
  /** The organization's own. */
  readonly events: number
  readonly others: number
  /** The last one whose signature is good and that agrees with the chain. */
  readonly head?: { readonly sequence: number; readonly sha256: string; readonly signedAt: string }
  readonly keys: readonly { readonly id: string; readonly spkiSha256: string; readonly trusted: boolean }[]
}

export interface AuditExportExpectation {
  /** SHA-256 of the SubjectPublicKeyInfo of keys that may have signed, hexadecimal. Without it each key of the file counts. */
  readonly trustedKeys?: readonly string[]
  readonly expectedHead?: { readonly sequence: number; readonly sha256: string }
}

/** @param lines of the file, without their ends. */
export async function verifyAuditExport(
  lines: Iterable<string> | AsyncIterable<string>,
  expectation: AuditExportExpectation = {},
): Promise<AuditExportReport> {
  const verification = new ExportVerification(expectation)
  for await (const line of lines) {
    verification.add(line)
    if (verification.finished) break
  }
  return verification.report()
}

class ExportVerification {
  readonly #expectation: AuditExportExpectation
  readonly #keys = new Map<
    string,
    { readonly key: KeyObject; readonly spkiSha256: string; readonly trusted: boolean }
  >()
  readonly #pending: ChainHead[] = []
  #line = 0
  #chain = new ChainVerification()
  #start: ReturnType<typeof readStart> | undefined
  #head: ChainHead | undefined
  #finding: AuditFinding | undefined
  #ended = false
  #expectedSeen = false
  #events = 0
  #others = 0

  constructor(expectation: AuditExportExpectation) {
    this.#expectation = expectation
  }

  /** Nothing that comes now changes the report. */
  get finished(): boolean {
    return this.#finding !== undefined
  }

  add(text: string): void {
    this.#line += 1
    if (text === '') return
    try {
      this.#read(fields(JSON.parse(text)))
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof MalformedLine)) throw error
      this.#find({ reason: 'line-malformed' })
    }
  }

  report(): AuditExportReport {
    if (this.#finding === undefined) this.#finish()
    const { organizationId, exportedAt, from, to, after } = this.#start ?? {}
    const last = this.#chain.position.sequence
    return {
      ...(this.#finding === undefined ? {} : { finding: this.#finding }),
      ...(organizationId === undefined ? {} : { organizationId }),
      ...(exportedAt === undefined ? {} : { exportedAt }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      first: after === undefined ? 0 : after.sequence + 1,
      last,
      events: this.#events,
      others: this.#others,
      ...(this.#head === undefined
        ? {}
        : {
            head: {
              sequence: this.#head.sequence,
              sha256: toHex(this.#head.sha256),
              signedAt: toRfc3339(this.#head.signedAt),
            },
          }),
      keys: [...this.#keys].map(([id, { spkiSha256, trusted }]) => ({ id, spkiSha256, trusted })),
    }
  }

  #read(line: Fields): void {
    if (this.#ended) throw new MalformedLine()
    if (this.#start === undefined) return this.#begin(line)
    switch (line.line) {
      case 'head':
        return this.#expectHead(line)
      case 'event':
        return this.#addEvent(line)
      case 'others':
        return this.#addOthers(line)
      case 'end':
        return this.#end(line)
      default:
        throw new MalformedLine()
    }
  }

  #begin(line: Fields): void {
    if (line.line !== 'export') throw new MalformedLine()
    if (line.version !== auditExportVersion) return this.#find({ reason: 'version-unknown' })
    this.#start = readStart(line)
    for (const { id, spki } of this.#start.keys) {
      const spkiSha256 = toHex(createHash('sha256').update(spki).digest())
      const trusted = this.#expectation.trustedKeys?.some((trust) => trust.toLowerCase() === spkiSha256) === true
      this.#keys.set(id, { key: publicKey(spki), spkiSha256, trusted })
    }
    this.#chain = new ChainVerification(this.#start.after)
    this.#compareExpected(this.#start.after)
  }

  #expectHead(line: Fields): void {
    const head = { ...positionIn(line), signedAt: instantIn(line, 'signedAt') }
    const signedBy = this.#keys.get(textIn(line, 'keyId'))
    const signature = base64In(line, 'signature')
    const { sequence } = head
    if (signedBy === undefined) return this.#find({ reason: 'head-signature-wrong', sequence })
    if (this.#expectation.trustedKeys !== undefined && !signedBy.trusted) {
      return this.#find({ reason: 'key-not-trusted', sequence })
    }
    this.#chain.expectHead(head, verify('sha256', headBytes(head), signedBy.key, signature))
    this.#pending.push(head)
    this.#settle()
  }

  #addEvent(line: Fields): void {
    this.#requireSignedStart()
    const { event } = line
    const document = event === null ? undefined : fields(event)
    const eventId = document === undefined ? '' : textIn(document, 'id')
    const entry: ChainEntry = { ...positionIn(line), eventId, eventSha256: hashIn(line, 'eventSha256') }
    this.#chain.addHashed(entry, document === undefined ? undefined : documentSha256(document as CanonicalValue))
    this.#settle()
    this.#events += this.finished ? 0 : 1
  }

  #addOthers(line: Fields): void {
    this.#requireSignedStart()
    const first = sequenceIn(line)
    const hashes = line.eventSha256
    if (!Array.isArray(hashes) || hashes.length === 0) throw new MalformedLine()
    if (first !== this.#chain.position.sequence + 1) return this.#find({ reason: 'gap', sequence: first })
    for (const [index, hash] of hashes.entries()) {
      const computed = chainEntry(this.#chain.position, '', hashOf(hash))
      // The hashes between are what they are; the last one says whether they lead to where the export says.
      const sha256 = index === hashes.length - 1 ? hashIn(line, 'sha256') : computed.sha256
      this.#chain.addHashed({ ...computed, sha256 }, 'hidden')
      this.#settle()
      if (this.finished) return
      this.#others += 1
    }
  }

  #end(line: Fields): void {
    const end = positionIn(line)
    this.#ended = true
    const at = this.#chain.position
    if (end.sequence !== at.sequence) this.#find({ reason: 'gap', sequence: end.sequence })
    else if (toHex(end.sha256) !== toHex(at.sha256)) this.#find({ reason: 'link-broken', sequence: end.sequence })
  }

  #finish(): void {
    this.#line += 1
    const fault = this.#chain.finish()
    const { sequence } = this.#chain.position
    if (!this.#ended || fault !== undefined) this.#find({ reason: 'end-missing', sequence: sequence + 1 })
    else if (this.#head?.sequence !== sequence) this.#find({ reason: 'end-unsigned', sequence })
    else if (this.#expectation.expectedHead !== undefined && !this.#expectedSeen) {
      this.#find({ reason: 'head-not-reached', sequence: this.#expectation.expectedHead.sequence })
    }
  }

  #requireSignedStart(): void {
    const at = this.#chain.position.sequence
    if (at !== 0 && this.#events + this.#others === 0 && this.#head?.sequence !== at) {
      this.#find({ reason: 'start-unsigned', sequence: at })
    }
  }

  /** What the chain has found, and the heads that it has come to. */
  #settle(): void {
    const { fault, position } = this.#chain
    if (fault !== undefined) {
      const { reason, sequence, eventId } = fault
      return this.#find({ reason, sequence, ...(eventId === undefined || eventId === '' ? {} : { eventId }) })
    }
    while (this.#pending[0] !== undefined && this.#pending[0].sequence <= position.sequence) {
      this.#head = this.#pending.shift()
    }
    this.#compareExpected(position)
  }

  #compareExpected(position: ChainPosition): void {
    const expected = this.#expectation.expectedHead
    if (expected?.sequence !== position.sequence || this.#expectedSeen) return
    if (expected.sha256.toLowerCase() === toHex(position.sha256)) this.#expectedSeen = true
    else this.#find({ reason: 'head-differs', sequence: position.sequence })
  }

  #find(finding: Omit<AuditFinding, 'line'>): void {
    this.#finding ??= { ...finding, line: this.#line }
  }
}

class MalformedLine extends Error {}

type Fields = { readonly [name: string]: unknown }

function fields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new MalformedLine()
}

function readStart(line: Fields) {
  const { after, keys } = line
  if (!Array.isArray(keys) || keys.length > 1000) throw new MalformedLine()
  return {
    organizationId: textIn(line, 'organizationId'),
    exportedAt: textIn(line, 'exportedAt'),
    from: line.from === undefined ? undefined : textIn(line, 'from'),
    to: line.to === undefined ? undefined : textIn(line, 'to'),
    after: positionIn(fields(after)),
    keys: keys.map((key) => ({ id: textIn(fields(key), 'id'), spki: base64In(fields(key), 'spki') })),
  }
}

const positionIn = (line: Fields): ChainPosition => ({ sequence: sequenceIn(line), sha256: hashIn(line, 'sha256') })

function sequenceIn({ sequence }: Fields): number {
  if (typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence >= 0) return sequence
  throw new MalformedLine()
}

function textIn(line: Fields, name: string): string {
  const text = line[name]
  if (typeof text === 'string' && text.length <= 4096) return text
  throw new MalformedLine()
}

const hashIn = (line: Fields, name: string): Uint8Array => hashOf(line[name])

function hashOf(value: unknown): Uint8Array {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return fromHex(value)
  throw new MalformedLine()
}

function base64In(line: Fields, name: string): Uint8Array {
  return orMalformed(() => fromBase64(textIn(line, name)))
}

function instantIn(line: Fields, name: string): Instant {
  const text = textIn(line, name)
  const at = Date.parse(text)
  if (!Number.isNaN(at) && toRfc3339(instant(at)) === text) return instant(at)
  throw new MalformedLine()
}

const publicKey = (spki: Uint8Array): KeyObject =>
  orMalformed(() => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }))

function orMalformed<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new MalformedLine('', { cause })
  }
}
