/** `sallyport groups`: enrollment groups, by which devices may come. */

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { type ItemOf, isApiProblem, type RequestOf } from '@sallyport/client'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { first, pageSize, wholeNumber, withDryRun, withLimit, withYes } from '../change-options.ts'
import { CommandFailure } from '../command-failure.ts'
import { csvRecords } from '../csv-records.ts'
import { describedCommand } from '../described-command.ts'
import { changingCurrent, type Invocation, invoking } from '../invocation.ts'
import { type EnrollmentGroup, findGroup } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function groupsCommand(surroundings: Surroundings): Command {
  return describedCommand('groups', { description: 'Enrollment groups: whose devices may come.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
    .addCommand(create(surroundings))
    .addCommand(change(surroundings))
    .addCommand(remove(surroundings))
    .addCommand(importMany(surroundings))
}

const columns: readonly Column<ItemOf<'listEnrollmentGroups'>>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'NAME', value: ({ name }) => name, mayBeCut: true },
  { header: 'STATE', value: ({ state }) => state, tone: ({ state }) => (state === 'active' ? 'good' : 'faint') },
  { header: 'AUTHORITY', value: ({ leadCertificateName }) => leadCertificateName, mayBeCut: true, mayBeMissing: true },
  { header: 'PSK', value: ({ allowsPsk }) => allowsPsk, mayBeMissing: true },
  { header: 'CREATED', value: ({ createdAt }) => shownTime(createdAt), mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(
    describedCommand('list', { description: 'The groups.', examples: ['groups list', 'groups list --state active'] }),
  )
    .option('--name <name>', 'those of this name')
    .addOption(new Option('--state <state>', 'those in this state').choices(['pending-proof', 'active', 'disabled']))
    .action(
      invoking<Pick<RequestOf<'listEnrollmentGroups'>, 'name' | 'state' | 'limit'>>(
        surroundings,
        async (invocation, { name, state, limit }) => {
          const groups = invocation.client().items('listEnrollmentGroups', { name, state, limit: pageSize(limit) })
          await invocation.output.list(first(groups, limit), columns, 'No groups.')
        },
      ),
    )
}

function show(surroundings: Surroundings): Command {
  return describedCommand('show', {
    description: 'A group.',
    examples: ["groups show 'My Factory'", "groups show 'My Factory' --json | jq -r .certificateChain"],
  })
    .argument('<group>', 'its id or name')
    .action(
      invoking(surroundings, async (invocation, _, text: string) => {
        const { thing } = await findGroup(invocation.client(), text)
        await showGroup(invocation, thing)
      }),
    )
}

const showGroup = ({ output }: Invocation, group: EnrollmentGroup): Promise<void> =>
  output.thing(group, [
    ['id', group.id],
    ['name', group.name],
    ['state', group.state],
    ['authority', group.leadCertificateName],
    ['certificates', (group.certificateChain.match(/BEGIN CERTIFICATE/g) ?? []).length],
    ['expected interval', `${group.expectedIntervalSeconds} s`],
    ['pre-shared keys', group.allowsPsk],
    ['created', shownTime(group.createdAt)],
    ['changed', shownTime(group.updatedAt)],
  ])

interface GroupFlags {
  readonly name?: string
  readonly certificateChain?: string
  readonly leadCertificate?: string
  readonly expectedInterval?: number
  readonly psk?: boolean
  readonly state?: 'active' | 'disabled'
}

const withGroupOptions = (command: Command): Command =>
  withDryRun(command)
    .option(
      '--lead-certificate <common name>',
      'the authority that issues to the devices; the first of the chain unless told',
    )
    .option('--expected-interval <seconds>', 'a device that is silent for longer counts as offline', wholeNumber)
    .option('--psk', 'let devices with a pre-shared key come')

function create(surroundings: Surroundings): Command {
  return withGroupOptions(
    describedCommand('create', {
      description: "Enroll the devices of a manufacturer's authority.",
      examples: [
        "groups create --name 'My Factory' --certificate-chain .dev/my-ca/chain.pem",
        "cat chain.pem | sallyport groups create --name 'My Factory' --certificate-chain -",
      ],
    }),
  )
    .requiredOption('--name <name>', 'what people call it')
    .requiredOption(
      '--certificate-chain <file>',
      'PEM: the authority that issues to the devices first; - for standard input',
    )
    .action(
      invoking<GroupFlags & { name: string; certificateChain: string }>(surroundings, async (invocation, options) => {
        const certificateChain = await invocation.readInput(options.certificateChain)
        const body = { ...bodyOf(options), name: options.name, certificateChain }
        const does = `create the group ${options.name}`
        const answer = await invocation.change('createEnrollmentGroup', { body }, { does })
        if (answer !== undefined) await showGroup(invocation, answer.body)
      }),
    )
}

function change(surroundings: Surroundings): Command {
  return withGroupOptions(
    describedCommand('change', {
      description: 'Change a group; what is not named stays.',
      examples: ["groups change 'My Factory' --state disabled", "groups change 'My Factory' --name Factory --no-psk"],
    }),
  )
    .argument('<group>', 'its id or name')
    .option('--name <name>', 'another name')
    .option('--certificate-chain <file>', 'another chain; - for standard input')
    .option('--no-psk', 'let no device with a pre-shared key come')
    .addOption(new Option('--state <state>', 'whether its devices may come').choices(['active', 'disabled']))
    .action(
      invoking<GroupFlags>(surroundings, async (invocation, options, text: string) => {
        const chain =
          options.certificateChain === undefined ? undefined : await invocation.readInput(options.certificateChain)
        const body = { ...bodyOf(options), name: options.name, certificateChain: chain, state: options.state }
        if (Object.values(body).every((value) => value === undefined)) {
          throw new CommandFailure('usage', 'Say what to change: sallyport groups change --help')
        }
        const answer = await changingCurrent(async () => {
          const { thing, etag } = await findGroup(invocation.client(), text)
          const request = { groupId: thing.id, ifMatch: etag, body }
          return invocation.change('changeEnrollmentGroup', request, { does: `change the group ${thing.name}` })
        })
        if (answer !== undefined) await showGroup(invocation, answer.body)
      }),
    )
}

const bodyOf = ({ leadCertificate, expectedInterval, psk }: GroupFlags) => ({
  leadCertificateName: leadCertificate,
  expectedIntervalSeconds: expectedInterval,
  allowsPsk: psk,
})

function remove(surroundings: Surroundings): Command {
  return withYes(
    describedCommand('delete', {
      description: 'Delete a group that has no devices.',
      examples: ["groups delete 'My Factory'", 'groups delete 0197a000-0000-7000-8000-000000000001 --yes'],
    }),
  )
    .argument('<group>', 'its id or name')
    .action(
      invoking(surroundings, async (invocation, _, text: string) => {
        const { thing, etag } = await findGroup(invocation.client(), text)
        const act = { does: `delete the group ${thing.name}`, destroys: true }
        const answer = await invocation.change('deleteEnrollmentGroup', { groupId: thing.id, ifMatch: etag }, act)
        if (answer !== undefined) await invocation.output.note(`The group ${thing.name} is deleted.`)
      }),
    )
}

interface WantedGroup {
  /** Where it stands, for the person. */
  readonly source: string
  readonly name: string
  readonly chainFile: string
  readonly flags: GroupFlags
}

function importMany(surroundings: Surroundings): Command {
  return withDryRun(
    describedCommand('import', {
      description:
        'Create many groups: one for each PEM file of a folder, called as the file, or one for each row of a CSV file with the columns name and certificateChain (a file), and if wanted leadCertificateName, expectedIntervalSeconds and allowsPsk. What is there already under its name is passed over, so an import that broke is simply run again.',
      examples: ['groups import ./authorities', 'groups import groups.csv --dry-run'],
    }),
  )
    .argument('<folder or file>')
    .action(
      invoking(surroundings, async (invocation, _, path: string) => {
        const { output } = invocation
        const wanted = wantedGroups(path)
        const client = invocation.client()
        const known = new Set<string>()
        for await (const { name } of client.items('listEnrollmentGroups')) known.add(name)
        const counts = { created: 0, passedOver: 0, failed: 0 }
        for (const [index, group] of wanted.entries()) {
          await output.progress(`${index + 1} of ${wanted.length}: ${group.name}`)
          if (known.has(group.name)) {
            counts.passedOver += 1
            continue
          }
          try {
            const certificateChain = readFileSync(group.chainFile, 'utf8')
            const body = { ...bodyOf(group.flags), name: group.name, certificateChain }
            const does = `create the group ${group.name}`
            const answer = await invocation.change('createEnrollmentGroup', { body }, { does })
            known.add(group.name)
            counts.created += 1
            if (answer !== undefined) await output.streamed(answer.body, `${answer.body.id}  ${answer.body.name}`)
          } catch (error) {
            // One that is refused does not keep the others out; what concerns them all does.
            const isOfThisOne = isApiProblem(error) ? [400, 409, 413, 422].includes(error.status) : isFileError(error)
            if (!isOfThisOne) throw error
            counts.failed += 1
            await output.note(`${group.source}: ${error instanceof Error ? error.message : String(error)}`)
          }
        }
        const verb = invocation.options.dryRun === true ? 'would be created' : 'created'
        await output.note(
          `${counts.created} ${verb}, ${counts.passedOver} there already, ${counts.failed} refused, of ${wanted.length}.`,
        )
        if (counts.failed > 0) throw new CommandFailure('failed', 'Not all groups could be created.')
      }),
    )
}

const isFileError = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** @throws CommandFailure */
function wantedGroups(path: string): readonly WantedGroup[] {
  try {
    const wanted = statSync(path).isDirectory() ? groupsOfFolder(path) : groupsOfCsv(path)
    if (wanted.length === 0) throw new CommandFailure('usage', `${path} holds no groups.`)
    return wanted
  } catch (cause) {
    if (isFileError(cause)) throw new CommandFailure('usage', `${path} cannot be read.`, { cause })
    throw cause
  }
}

const groupsOfFolder = (folder: string): readonly WantedGroup[] =>
  readdirSync(folder)
    .filter((name) => ['.pem', '.crt'].includes(extname(name)))
    .sort()
    .map((name) => ({
      source: join(folder, name),
      name: basename(name, extname(name)),
      chainFile: join(folder, name),
      flags: {},
    }))

function groupsOfCsv(file: string): readonly WantedGroup[] {
  return csvRecords(readFileSync(file, 'utf8'), file).map(({ line, fields }) => {
    const { name, certificateChain, leadCertificateName, expectedIntervalSeconds, allowsPsk } = fields
    const source = `${file}, line ${line}`
    if (name === undefined || certificateChain === undefined) {
      throw new CommandFailure('usage', `${source}: name and certificateChain are needed.`)
    }
    return {
      source,
      name,
      // As seen from the file, so that a folder with both can be moved.
      chainFile: resolve(dirname(file), certificateChain),
      flags: {
        ...(leadCertificateName === undefined ? {} : { leadCertificate: leadCertificateName }),
        ...(expectedIntervalSeconds === undefined ? {} : { expectedInterval: number(expectedIntervalSeconds, source) }),
        ...(allowsPsk === undefined ? {} : { psk: truth(allowsPsk, source) }),
      },
    }
  })
}

function number(text: string, source: string): number {
  try {
    return wholeNumber(text)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw new CommandFailure('usage', `${source}: "${text}" is no whole number.`)
  }
}

function truth(text: string, source: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new CommandFailure('usage', `${source}: allowsPsk is true or false.`)
}
