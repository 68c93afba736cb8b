/** `sallyport audit`: who did what. */

import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { ItemOf } from '@sallyport/client'
import { type Command, Option } from 'commander'
import { first, pageSize, withLimit } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { invoking } from '../invocation.ts'
import { uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'
import { auditVerifyCommand } from './audit-verify.ts'

export function auditCommand(surroundings: Surroundings): Command {
  return describedCommand('audit', { description: 'The audit trail: who did what, when, from where.' })
    .addCommand(list(surroundings))
    .addCommand(exportAll(surroundings))
    .addCommand(auditVerifyCommand(surroundings))
}

interface Filter {
  readonly type?: string
  readonly actor?: string
  readonly subject?: string
  readonly correlationId?: string
  readonly outcome?: 'succeeded' | 'failed'
  readonly from?: string
  readonly to?: string
}

const withFilter = (command: Command): Command =>
  command
    .option('--type <type>', 'of this type, such as device.deleted')
    .option('--actor <id>', 'by this actor')
    .option('--subject <id>', 'about this subject')
    .option('--correlation-id <uuid>', 'of this request', uuidArgument)
    .addOption(new Option('--outcome <outcome>', 'with this outcome').choices(['succeeded', 'failed']))
    .option('--from <time>', 'not before (RFC 3339)')
    .option('--to <time>', 'before')

const queryOf = ({ type, actor, subject, correlationId, outcome, from, to }: Filter) => ({
  ...{ type, actorId: actor, subjectId: subject, correlationId, outcome, from, to },
})

const columns: readonly Column<ItemOf<'listAuditEvents'>>[] = [
  { header: 'AT', value: ({ occurredAt }) => shownTime(occurredAt) },
  { header: 'TYPE', value: ({ type }) => type },
  {
    header: 'OUTCOME',
    value: ({ outcome }) => outcome,
    tone: ({ outcome }) => (outcome === 'failed' ? 'bad' : 'good'),
  },
  { header: 'ACTOR', value: ({ actor }) => `${actor.kind} ${actor.name ?? actor.id}`, mayBeCut: true },
  { header: 'SUBJECT', value: ({ subject }) => `${subject.kind} ${subject.id}`, mayBeCut: true, mayBeMissing: true },
  { header: 'FROM', value: ({ address }) => address, mayBeCut: true, mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withFilter(
    withLimit(
      describedCommand('list', {
        description: 'What was done, the newest first.',
        examples: [
          'audit list',
          'audit list --type device.deleted --from 2026-11-01T00:00:00Z',
          'audit list --json --limit 0',
        ],
      }),
      50,
    ),
  ).action(
    invoking<Filter & { limit: number }>(surroundings, async (invocation, { limit, ...filter }) => {
      const query = { ...queryOf(filter), limit: pageSize(limit) }
      const events = invocation.client().items('listAuditEvents', query)
      await invocation.output.list(first(events, limit), columns, 'No audit events.')
    }),
  )
}

function exportAll(surroundings: Surroundings): Command {
  return describedCommand('export', {
    description:
      'Write the audit trail to a file whose every line is proven by the next ones, and the last by a signature: `audit verify` shows that nothing in it was changed, left out or moved. Of other organizations there are hashes alone. The export is itself in the audit trail.',
    examples: [
      'audit export --out audit.ndjson',
      'audit export --from 2026-11-01T00:00:00Z --out november.ndjson && sallyport audit verify november.ndjson',
    ],
  })
    .option('--from <time>', 'not before (RFC 3339)')
    .option('--to <time>', 'before')
    .requiredOption('--out <file>', 'a new file, which others cannot read')
    .action(
      invoking<{ from?: string; to?: string; out: string }>(surroundings, async (invocation, { from, to, out }) => {
        const { output } = invocation
        const exported = invocation.client().lines('exportAuditEvents', { from, to })
        // Asked for before there is a file: a refusal leaves none.
        let next = await exported.next()
        const file = createWriteStream(out, { flags: 'wx', mode: 0o600 })
        const written = finished(file)
        written.catch(() => undefined)
        let lines = 0
        try {
          for (; next.done !== true; next = await exported.next()) {
            if (!file.write(`${next.value}\n`)) await Promise.race([once(file, 'drain'), written])
            lines += 1
            if (lines % 500 === 0) await output.progress(`${lines} lines`)
          }
        } catch (error) {
          file.destroy()
          if (error instanceof Error && 'syscall' in error) throw notWritten(out, error)
          throw error
        }
        file.end()
        try {
          await written
        } catch (error) {
          throw notWritten(out, error)
        }
        if (output.isJson) await output.thing({ file: out, lines }, [])
        else await output.note(`${lines} lines are in ${out}: sallyport audit verify ${out}`)
      }),
    )
}

const notWritten = (out: string, cause: unknown): CommandFailure => {
  const said = cause instanceof Error ? cause.message : String(cause)
  return new CommandFailure('failed', `${out} could not be written: ${said}`, { cause })
}
