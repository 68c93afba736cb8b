/**
 * GET /api/v1/audit-events/export: the organization's audit trail with what proves it, line by line as it is read. Exporting is an
 * event itself, written before the first line goes out.
 */

import { Readable } from 'node:stream'
import { Type } from '@fastify/type-provider-typebox'
import { type AuditExportLine, auditExportVersion, eventDocument } from '@sallyport/audit'
import { toBase64, toHex } from '@sallyport/bytes'
import { toRfc3339 } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { type HttpServer, requires } from '@sallyport/http'
import type { AuditChain, OrganizationEntry, SignedHead } from '@sallyport/store'
import type { ApiPorts } from '../../api-ports.ts'
import { actOf, callerOf } from '../../caller.ts'
import { readTime, Time } from '../../presented-time.ts'

const contentType = 'application/x-ndjson'
const batch = 500

export function registerExportAuditEvents(server: HttpServer, { store, clock }: ApiPorts): void {
  server.get(
    '/api/v1/audit-events/export',
    {
      config: { access: requires('audit:read') },
      schema: {
        operationId: 'exportAuditEvents',
        summary: 'The audit trail with what proves it, as lines of JSON',
        description:
          'From the last signed head before `from` to the first one after `to`: the organization’s events in full, of all others their hashes alone, the signed heads and the keys that signed them. `sallyport audit verify` proves the file without the installation; without its last line it was cut off.',
        tags: ['audit'],
        produces: [contentType],
        querystring: Type.Object(
          { from: Type.Optional(Time), to: Type.Optional(Time) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Unsafe<Readable>(Type.String({ description: 'application/x-ndjson' })) },
      },
    },
    async (request, reply) => {
      const { organizationId } = callerOf(request)
      const { from, to } = request.query
      const span = {
        from: from === undefined ? undefined : readTime(from),
        to: to === undefined ? undefined : readTime(to),
      }
      const heads = await store.auditChain.headsAround(organizationId, span)
      if (heads === undefined || heads.last.sequence < heads.after.sequence) {
        throw new CodedError('dependency-unavailable', 'No head of the audit chain is signed yet: the dps signs them.')
      }
      const { after, last } = heads
      await store.auditEvents.recordExport(
        { organizationId, from, to, after: after.sequence, last: last.sequence },
        actOf(request),
      )
      const keys = await store.auditChain.headKeys()
      const start: AuditExportLine = {
        line: 'export',
        version: auditExportVersion,
        organizationId,
        exportedAt: toRfc3339(clock.now()),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        after: { sequence: after.sequence, sha256: toHex(after.sha256) },
        keys: keys.map(({ id, spki }) => ({ id, spki: toBase64(spki) })),
      }
      reply.type(contentType)
      return reply.send(
        Readable.from(textOf(start, linesBetween(store.auditChain, organizationId, after.sequence, last))),
      )
    },
  )
}

async function* textOf(start: AuditExportLine, rest: AsyncIterable<AuditExportLine>): AsyncGenerator<string> {
  yield `${JSON.stringify(start)}\n`
  for await (const line of rest) yield `${JSON.stringify(line)}\n`
}

async function* linesBetween(
  chain: Pick<AuditChain, 'heads' | 'entriesOf'>,
  organizationId: string,
  after: number,
  last: SignedHead,
): AsyncGenerator<AuditExportLine> {
  // The head where it begins is one of them.
  let headsAfter = Math.max(0, after - 1)
  let at = after
  do {
    const entries = (await chain.entriesOf(organizationId, at, batch)).filter(
      ({ entry }) => entry.sequence <= last.sequence,
    )
    const end = entries.at(-1)?.entry.sequence ?? at
    // All heads of these entries come before them: whoever checks knows what to expect.
    for await (const head of headsUpTo(chain, headsAfter, end)) yield head
    headsAfter = end
    yield* linesOf(entries)
    if (entries.length === 0 && at < last.sequence)
      throw new CodedError('internal', 'the audit chain ends before a head')
    at = end
  } while (at < last.sequence)
  yield { line: 'end', sequence: last.sequence, sha256: toHex(last.sha256) }
}

async function* headsUpTo(
  chain: Pick<AuditChain, 'heads'>,
  after: number,
  end: number,
): AsyncGenerator<AuditExportLine> {
  for (let from = after; from < end; ) {
    const heads = await chain.heads(from, batch)
    for (const { sequence, sha256, signedAt, keyId, signature } of heads) {
      if (sequence > end) return
      yield {
        line: 'head',
        sequence,
        sha256: toHex(sha256),
        signedAt: toRfc3339(signedAt),
        keyId,
        signature: toBase64(signature),
      }
    }
    const last = heads.at(-1)
    if (last === undefined || heads.length < batch) return
    from = last.sequence
  }
}

/** Hashes of others that follow each other stand in one line. */
function* linesOf(entries: readonly OrganizationEntry[]): Generator<AuditExportLine> {
  let others: OrganizationEntry[] = []
  function* flush(): Generator<AuditExportLine> {
    const [first] = others
    const last = others.at(-1)
    if (first === undefined || last === undefined) return
    yield {
      line: 'others',
      sequence: first.entry.sequence,
      sha256: toHex(last.entry.sha256),
      eventSha256: others.map(({ entry }) => toHex(entry.eventSha256)),
    }
    others = []
  }
  for (const each of entries) {
    if (each.event === 'hidden') {
      others.push(each)
      continue
    }
    yield* flush()
    const { sequence, sha256, eventSha256 } = each.entry
    yield {
      line: 'event',
      sequence,
      sha256: toHex(sha256),
      eventSha256: toHex(eventSha256),
      event: eventDocument(each.event),
    }
  }
  yield* flush()
}
