/** `sallyport devices resources | get | set`: what a device shows of itself, and takes. */

import type { BodyOf } from '@sallyport/client'
import { type Command, InvalidArgumentError } from 'commander'
import { withDryRun } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { describedCommand } from '../described-command.ts'
import { type Invocation, invoking } from '../invocation.ts'
import { findDevice } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export const deviceResourceCommands = (surroundings: Surroundings): readonly Command[] => [
  resources(surroundings),
  get(surroundings),
  set(surroundings),
]

const columns: readonly Column<BodyOf<'listResources'>['items'][number]>[] = [
  { header: 'HREF', value: ({ href }) => href, mayBeCut: true },
  { header: 'TYPES', value: ({ resourceTypes }) => resourceTypes.join(' '), mayBeCut: true, mayBeMissing: true },
  { header: 'PUBLISHED', value: ({ published }) => published },
  { header: 'REPRESENTATION', value: ({ representation }) => JSON.stringify(representation), mayBeCut: true },
  { header: 'REPORTED', value: ({ representationAt }) => shownTime(representationAt), mayBeMissing: true },
]

function resources(surroundings: Surroundings): Command {
  return describedCommand('resources', {
    description: 'The resources of a device, as it last reported them.',
    examples: ['devices resources Lamp'],
  })
    .argument('<device>', 'its id or name')
    .action(
      invoking(surroundings, async (invocation, _, text: string) => {
        const client = invocation.client()
        const { thing } = await findDevice(client, text)
        const { body } = await client.call('listResources', { deviceId: thing.id })
        await invocation.output.list(body.items, columns, 'No resources.')
      }),
    )
}

function get(surroundings: Surroundings): Command {
  return withWait(
    describedCommand('get', {
      description: 'A resource of a device: as it last reported it, or with --live as it answers now.',
      examples: ['devices get Lamp /light/1', 'devices get Lamp /light/1 --live --json | jq .representation.state'],
    }),
  )
    .option('--live', 'ask the device')
    .argument('<device>', 'its id or name')
    .argument('<href>', 'as the list of resources shows it')
    .action(
      invoking<{ live?: boolean; wait: number }>(
        surroundings,
        async (invocation, { live, wait }, text: string, href: string) => {
          const client = invocation.client()
          const { thing } = await findDevice(client, text)
          const where = { deviceId: thing.id, href: hrefOf(href) }
          const request = live === true ? { ...where, twin: false, prefer: `wait=${wait}` } : where
          const { body } = await client.call('readResource', request, { timeout: patienceFor(wait) })
          await invocation.output.thing(body, [
            ['href', body.href],
            ...representationFacts(body.representation),
            ...('coapCode' in body
              ? ([['code', body.coapCode]] as const)
              : ([
                  ['types', body.resourceTypes.join(' ')],
                  ['published', body.published],
                  ['reported', shownTime(body.representationAt)],
                ] as const)),
          ])
        },
      ),
    )
}

function set(surroundings: Surroundings): Command {
  return withWait(
    withDryRun(
      describedCommand('set', {
        description:
          'Update a resource on the device. Ends with 8 when the device has not done it within the time; it may do it later, as the command says. With --wait 0 a command that waits is what was asked for.',
        examples: [
          'devices set Lamp /light/1 state=true',
          'devices set Lamp /light/1 \'{"state":true,"brightness":40}\'',
          'echo \'{"state":true}\' | sallyport devices set Lamp /light/1 -',
        ],
      }),
    ),
  )
    .argument('<device>', 'its id or name')
    .argument('<href>', 'as the list of resources shows it')
    .argument('<value...>', 'JSON; or name=value, where the value is JSON or else text; - for JSON on standard input')
    .action(
      invoking<{ wait: number }>(surroundings, async (invocation, { wait }, text: string, href: string, ...rest) => {
        const body = await representationFrom(invocation, rest.flat())
        const { thing } = await findDevice(invocation.client(), text)
        const answer = await invocation.change(
          'updateResource',
          { deviceId: thing.id, href: hrefOf(href), prefer: `wait=${wait}`, body },
          {
            does: `set ${href} of ${thing.name} to ${JSON.stringify(body)}`,
            callOptions: { timeout: patienceFor(wait) },
          },
        )
        if (answer === undefined) return
        if (answer.status === 200) {
          await invocation.output.thing(answer.body, [
            ['href', answer.body.href],
            ...representationFacts(answer.body.representation),
            ['code', answer.body.coapCode],
            ['command', answer.body.commandId],
          ])
          return
        }
        const { id, state, expiresAt } = answer.body
        await invocation.output.thing(answer.body, [
          ['command', id],
          ['state', state],
          ['good until', shownTime(expiresAt)],
        ])
        if (wait > 0) {
          throw new CommandFailure(
            'device',
            `The device has not answered; the command waits for it: sallyport devices command ${thing.id} ${id}`,
          )
        }
      }),
    )
}

const withWait = (command: Command): Command =>
  command.option('--wait <seconds>', 'how long to wait for the device: 0 to 60', waitOf, 10)

function waitOf(text: string): number {
  const seconds = Number(text)
  if (!/^\d{1,2}$/.test(text) || seconds > 60) throw new InvalidArgumentError('0 to 60 seconds are needed.')
  return seconds
}

/** Milliseconds for an answer that waits for the device. */
const patienceFor = (wait: number): number => (wait + 20) * 1000

/** The API has it without its first slash. */
function hrefOf(text: string): string {
  const href = text.replace(/^\/+/, '')
  if (href === '' || href === '.' || href === '..') throw new CommandFailure('usage', `"${text}" is no href.`)
  return href
}

/** Its fields where it has some, so that a person reads them. */
function representationFacts(value: unknown): readonly (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [['representation', JSON.stringify(value)]]
  return Object.entries(value).map(([name, field]) => [`  ${name}`, JSON.stringify(field) ?? ''])
}

/** @throws CommandFailure */
async function representationFrom(invocation: Invocation, texts: readonly string[]): Promise<unknown> {
  const [only = ''] = texts
  if (texts.length === 1 && only === '-') return json(await invocation.readInput('-'), 'standard input')
  if (texts.length === 1 && !/^[\w.-]+=/.test(only)) return json(only, `"${only}"`)
  const fields = texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw new CommandFailure('usage', `"${text}" is not name=value.`)
    const value = text.slice(at + 1)
    try {
      return [text.slice(0, at), JSON.parse(value) as unknown] as const
    } catch {
      return [text.slice(0, at), value] as const
    }
  })
  return Object.fromEntries(fields)
}

function json(text: string, where: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CommandFailure('usage', `${where} is not JSON; fields are given as name=value.`, { cause })
  }
}
