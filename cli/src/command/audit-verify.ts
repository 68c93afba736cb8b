/** `sallyport audit verify`: whether an exported file is what was written, without asking any server. */

import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { type AuditExportReport, verifyAuditExport } from '@sallyport/audit'
import { type Command, InvalidArgumentError } from 'commander'
import { collected } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'

export function auditVerifyCommand(surroundings: Surroundings): Command {
  return describedCommand('verify', {
    description:
      'Show that nothing in an exported file was changed, left out or moved. No server is asked. Without --key the file is proven by the key that it brings: compare its fingerprint with one that you know from elsewhere.',
    examples: [
      'audit verify audit.ndjson',
      'audit verify audit.ndjson --key 3a7b…64 hexadecimal digits… --head 120:9f1c…64 hexadecimal digits…',
    ],
  })
    .argument('<file>', 'as `audit export` wrote it')
    .option('--key <sha256>', 'the SHA-256 of a key that may have signed; may be repeated', fingerprints)
    .option('--head <sequence:sha256>', 'a head that was noted elsewhere and must be in it', headOf)
    .action(
      invoking<{ key?: readonly string[]; head?: { sequence: number; sha256: string } }>(
        surroundings,
        async ({ output }, { key, head }, path: string) => {
          const report = await verified(path, {
            ...(key === undefined ? {} : { trustedKeys: key }),
            ...(head === undefined ? {} : { expectedHead: head }),
          })
          const { finding, keys } = report
          await output.thing(report, [
            ['proven', finding === undefined],
            ['organization', report.organizationId],
            ['exported', shownTime(report.exportedAt)],
            ['events', report.events],
            ['of others', report.others],
            ['entries', report.last < report.first ? 'none' : `${report.first} to ${report.last}`],
            ['signed head', report.head?.sequence],
            ['signed at', shownTime(report.head?.signedAt)],
            ...keys.map(({ spkiSha256, trusted }) => [trusted ? 'trusted key' : 'key', spkiSha256] as const),
          ])
          if (finding !== undefined) {
            const event = finding.eventId === undefined ? '' : `, event ${finding.eventId}`
            const entry = finding.sequence === undefined ? '' : `, entry ${finding.sequence}`
            throw new CommandFailure(
              'failed',
              `${path} is not proven: ${finding.reason} at line ${finding.line}${entry}${event}`,
            )
          }
          if (key === undefined && !output.isJson) {
            await output.note(
              'Compare the fingerprint of the key with one that you know from elsewhere, or give it with --key.',
            )
          }
        },
      ),
    )
}

async function verified(
  path: string,
  expectation: Parameters<typeof verifyAuditExport>[1],
): Promise<AuditExportReport> {
  const file = createReadStream(path, 'utf8')
  const failed = new Promise<never>((_, reject) => file.once('error', reject))
  failed.catch(() => undefined)
  try {
    const lines = createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY })
    return await Promise.race([verifyAuditExport(lines, expectation), failed])
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new CommandFailure('usage', `${path} cannot be read.`, { cause })
  }
}

const sha256 = /^[0-9a-f]{64}$/

function fingerprints(text: string, before?: readonly string[]): readonly string[] {
  const fingerprint = text.replaceAll(':', '').toLowerCase()
  if (!sha256.test(fingerprint)) throw new InvalidArgumentError('64 hexadecimal digits are needed.')
  return collected(fingerprint, before)
}

function headOf(text: string): { readonly sequence: number; readonly sha256: string } {
  const [, sequence, hash = ''] = /^(\d{1,15}):(.*)$/.exec(text) ?? []
  if (sequence === undefined || !sha256.test(hash)) {
    throw new InvalidArgumentError('The sequence, a colon and 64 hexadecimal digits are needed.')
  }
  return { sequence: Number(sequence), sha256: hash }
}
