import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { toBase64, toHex } from '@sallyport/bytes'
import { instant, toRfc3339 } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import {
  type AuditExportLine,
  auditExportVersion,
  beforeFirstEntry,
  type ChainEntry,
  type ChainPosition,
  chainEntry,
  eventDocument,
  eventSha256,
  headBytes,
  type SealableEvent,
  verifyAuditExport,
} from '../src/index.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = publicKey.export({ format: 'der', type: 'spki' })
const spkiSha256 = toHex(createHash('sha256').update(spki).digest())
const organizationId = '0199e4a0-0000-7000-8000-000000000001'
const signedAt = instant(1_790_000_000_000)

const eventAt = (n: number): SealableEvent => ({
  id: `0199e4a0-0000-7000-8000-${String(n).padStart(12, '0')}`,
  type: 'user.logout',
  severity: 'notice',
  occurredAt: instant(1_790_000_000_000 + n),
  organizationId,
  actor: { kind: 'user', id: 'someone' },
  subject: { kind: 'user', id: 'someone' },
  outcome: 'succeeded',
  correlationId: `c-${n}`,
  details: { sessionId: `s-${n}` },
})

/** To be spoiled. */
type Line = Record<string, unknown>

const line = (written: AuditExportLine): Line => ({ ...written })

const headLine = (head: ChainPosition, key = privateKey): AuditExportLine => ({
  line: 'head',
  sequence: head.sequence,
  sha256: toHex(head.sha256),
  signedAt: toRfc3339(signedAt),
  keyId: 'k1',
  signature: toBase64(sign('sha256', headBytes({ ...head, signedAt }), key)),
})

const ownLine = (entry: ChainEntry, event: SealableEvent): AuditExportLine => ({
  line: 'event',
  sequence: entry.sequence,
  sha256: toHex(entry.sha256),
  eventSha256: toHex(entry.eventSha256),
  event: eventDocument(event),
})

/** Entries 11 to 20 of a chain; 13, 14 and 18 are others'; heads at 10, 15 and 20. */
function exported(): { readonly lines: Line[]; readonly entries: readonly ChainEntry[] } {
  let at: ChainPosition = beforeFirstEntry
  const entries = Array.from({ length: 20 }, (_, index) => {
    const event = eventAt(index + 1)
    const entry = chainEntry(at, event.id, eventSha256(event))
    at = entry
    return entry
  })
  const entry = (sequence: number): ChainEntry => entries[sequence - 1] as ChainEntry
  const own = (sequence: number) => ownLine(entry(sequence), eventAt(sequence))
  const others = (...sequences: number[]): AuditExportLine => ({
    line: 'others',
    sequence: sequences[0] as number,
    sha256: toHex(entry(sequences.at(-1) as number).sha256),
    eventSha256: sequences.map((sequence) => toHex(entry(sequence).eventSha256)),
  })
  const lines: AuditExportLine[] = [
    {
      line: 'export',
      version: auditExportVersion,
      organizationId,
      exportedAt: toRfc3339(signedAt),
      after: { sequence: 10, sha256: toHex(entry(10).sha256) },
      keys: [{ id: 'k1', spki: toBase64(spki) }],
    },
    headLine(entry(10)),
    headLine(entry(15)),
    own(11),
    own(12),
    others(13, 14),
    own(15),
    headLine(entry(20)),
    own(16),
    own(17),
    others(18),
    own(19),
    own(20),
    { line: 'end', sequence: 20, sha256: toHex(entry(20).sha256) },
  ]
  return { lines: lines.map(line), entries }
}

const reportOn = (lines: readonly unknown[], expectation = {}) =>
  verifyAuditExport(
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))),
    expectation,
  )

/** @param change of the lines, line 1 at index 0 */
async function findingAfter(change: (lines: Line[]) => void, expectation = {}) {
  const { lines } = exported()
  change(lines)
  return (await reportOn(lines, expectation)).finding
}

/** All hashes computed anew from an edited event on, as somebody would who has the file and no key. */
function recompute(lines: Line[]): void {
  let at: ChainPosition = {
    sequence: 10,
    sha256: Buffer.from(String(Object(lines[0]?.after).sha256), 'hex'),
  }
  for (const line of lines) {
    if (line.line === 'event') {
      const event = line.event as ReturnType<typeof eventDocument>
      const hash = eventSha256({
        ...eventAt(0),
        ...event,
        occurredAt: instant(Date.parse(String(event.occurredAt))),
      } as SealableEvent)
      const entry = chainEntry(at, '', hash)
      Object.assign(line, { sha256: toHex(entry.sha256), eventSha256: toHex(hash) })
      at = entry
    } else if (line.line === 'others') {
      for (const hash of line.eventSha256 as string[]) at = chainEntry(at, '', Buffer.from(hash, 'hex'))
      line.sha256 = toHex(at.sha256)
    } else if (line.line === 'end') line.sha256 = toHex(at.sha256)
  }
}

describe('an export of the audit trail', () => {
  it('[0.49] [6.32] is proven with nothing but the file, from signed head to signed head', async () => {
    const { lines, entries } = exported()
    expect(await reportOn(lines, { trustedKeys: [spkiSha256] })).toEqual({
      organizationId,
      exportedAt: toRfc3339(signedAt),
      first: 11,
      last: 20,
      events: 7,
      others: 3,
      head: { sequence: 20, sha256: toHex(entries[19]?.sha256 ?? new Uint8Array()), signedAt: toRfc3339(signedAt) },
      keys: [{ id: 'k1', spkiSha256, trusted: true }],
    })
  })

  it('is proven where nothing has happened', async () => {
    const { lines, entries } = exported()
    const empty = [
      lines[0],
      lines[1],
      { line: 'end', sequence: 10, sha256: toHex(entries[9]?.sha256 ?? new Uint8Array()) },
    ]
    expect(await reportOn(empty)).toMatchObject({ events: 0, others: 0, last: 10, head: { sequence: 10 } })
    expect((await reportOn(empty)).finding).toBeUndefined()
  })

  it('[0.49] shows an edited event, by its place', async () => {
    const eventId = eventAt(12).id
    const edit = (name: string, value: unknown) => (lines: Line[]) => {
      const line = lines[4] as unknown as { event: Record<string, unknown> }
      line.event = { ...line.event, [name]: value }
    }
    for (const [name, value] of [
      ['outcome', 'failed'],
      ['actor', { kind: 'user', id: 'someone else' }],
      ['occurredAt', '2026-11-21T19:00:00.000Z'],
      ['details', {}],
      ['extra', 1],
      ['correlationId', undefined],
    ] as const) {
      expect(await findingAfter(edit(name, value)), name).toEqual({
        reason: 'event-changed',
        line: 5,
        sequence: 12,
        eventId,
      })
    }
  })

  it('[0.49] shows an edited event whose hashes were computed anew up to the end, at the next signed head', async () => {
    const finding = await findingAfter((lines) => {
      const line = lines[4] as unknown as { event: Record<string, unknown> }
      line.event = { ...line.event, outcome: 'failed' }
      recompute(lines)
    })
    expect(finding).toMatchObject({ reason: 'head-differs', sequence: 15 })
  })

  it('[0.49] shows a deleted event, and a deleted hash of another organization', async () => {
    expect(await findingAfter((lines) => lines.splice(4, 1))).toMatchObject({ reason: 'gap', line: 5, sequence: 13 })
    expect(await findingAfter((lines) => lines.splice(5, 1))).toMatchObject({ reason: 'gap', line: 6, sequence: 15 })
    const shortened = await findingAfter((lines) => Object(lines[5]).eventSha256.pop())
    expect(shortened).toMatchObject({ reason: 'link-broken', line: 6, sequence: 13 })
    const renumbered = await findingAfter((lines) => {
      lines.splice(4, 1)
      for (const line of lines)
        if (line.line !== 'head' && Number(line.sequence) > 12) line.sequence = Number(line.sequence) - 1
      recompute(lines)
    })
    expect(renumbered).toMatchObject({ reason: 'head-differs', sequence: 15 })
  })

  it('[0.49] shows events that changed places', async () => {
    const swapped = await findingAfter((lines) => lines.splice(3, 2, lines[4] as Line, lines[3] as Line))
    expect(swapped).toMatchObject({ reason: 'gap', line: 4, sequence: 12 })
    const renamed = await findingAfter((lines) => {
      const [a, b] = [lines[3] as unknown as { event: unknown }, lines[4] as unknown as { event: unknown }]
      ;[a.event, b.event] = [b.event, a.event]
    })
    expect(renamed).toMatchObject({ reason: 'event-changed', line: 4, sequence: 11 })
  })

  it('[0.49] shows a file that was cut off, wherever', async () => {
    const { lines } = exported()
    for (let length = 1; length < lines.length; length += 1) {
      const { finding } = await reportOn(lines.slice(0, length))
      expect(finding, `${length} lines`).toMatchObject({ reason: 'end-missing', line: length + 1 })
    }
    const half = JSON.stringify(lines[6]).slice(0, 50)
    expect((await reportOn([...lines.slice(0, 6), half])).finding).toEqual({ reason: 'line-malformed', line: 7 })
    expect((await reportOn([])).finding).toMatchObject({ reason: 'end-missing' })
  })

  it('[0.49] shows a file that was cut off and given an end, but at an earlier head only who knows a later one', async () => {
    const end = (entry: ChainEntry | undefined) => ({
      line: 'end',
      sequence: entry?.sequence,
      sha256: toHex(entry?.sha256 ?? new Uint8Array()),
    })
    const { lines, entries } = exported()
    const unsigned = await reportOn([...lines.slice(0, 2), ...lines.slice(3, 5), end(entries[11])])
    expect(unsigned.finding).toMatchObject({ reason: 'end-unsigned', sequence: 12 })
    const atHead = [...lines.slice(0, 7), end(entries[14])]
    expect((await reportOn(atHead)).finding).toBeUndefined()
    const expectedHead = { sequence: 20, sha256: toHex(entries[19]?.sha256 ?? new Uint8Array()) }
    expect((await reportOn(atHead, { expectedHead })).finding).toMatchObject({
      reason: 'head-not-reached',
      sequence: 20,
    })
    expect((await reportOn(lines, { expectedHead })).finding).toBeUndefined()
    const another = { sequence: 17, sha256: '00'.repeat(32) }
    expect((await reportOn(lines, { expectedHead: another })).finding).toMatchObject({
      reason: 'head-differs',
      sequence: 17,
    })
  })

  it('shows heads that the key has not signed, and keys that are not trusted', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { entries } = exported()
    const forged = headLine(entries[19] as ChainEntry, stranger.privateKey)
    expect(await findingAfter((lines) => lines.splice(7, 1, line(forged)))).toMatchObject({
      reason: 'head-signature-wrong',
      sequence: 20,
    })
    const own = (lines: Line[]) => {
      recompute(lines)
      for (const [index, each] of lines.entries()) {
        if (each.line !== 'head') continue
        lines[index] = line(headLine(entries[Number(each.sequence) - 1] as ChainEntry, stranger.privateKey))
      }
      const strangerSpki = toBase64(stranger.publicKey.export({ format: 'der', type: 'spki' }))
      Object.assign(lines[0] as Line, { keys: [{ id: 'k1', spki: strangerSpki }] })
    }
    expect(await findingAfter(own)).toBeUndefined()
    expect(await findingAfter(own, { trustedKeys: [spkiSha256] })).toMatchObject({ reason: 'key-not-trusted' })
  })

  it('shows a beginning that nobody has signed', async () => {
    expect(await findingAfter((lines) => lines.splice(1, 1))).toMatchObject({ reason: 'start-unsigned', sequence: 10 })
  })

  it('refuses lines that are none, each by its number', async () => {
    const wrong: [string, unknown][] = [
      ['no JSON', '{'],
      ['no object', '[]'],
      ['unknown', { line: 'surprise' }],
      ['second start', exported().lines[0]],
      ['negative sequence', { ...exported().lines[4], sequence: -1 }],
      ['short hash', { ...exported().lines[4], eventSha256: 'ab' }],
      ['event that is a text', { ...exported().lines[4], event: 'x' }],
      ['no hashes', { ...exported().lines[5], eventSha256: [] }],
      ['time of another spelling', { ...exported().lines[2], signedAt: '21 November 2026' }],
    ]
    for (const [what, line] of wrong) {
      const finding = await findingAfter((lines) => lines.splice(4, 1, line as Line))
      expect(finding, what).toEqual({ reason: 'line-malformed', line: 5 })
    }
    expect(await findingAfter((lines) => lines.push({ line: 'end' } as Line))).toMatchObject({
      reason: 'line-malformed',
      line: 15,
    })
    expect(await findingAfter((lines) => Object.assign(lines[0] as Line, { version: 2 }))).toEqual({
      reason: 'version-unknown',
      line: 1,
    })
  })
})
