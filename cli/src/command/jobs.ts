/** `sallyport jobs`: work that the server does later, such as mails, and what became of it. */

import type { ItemOf, RequestOf } from '@sallyport/client'
import { type Command, Option } from 'commander'
import { first, pageSize, withDryRun, withLimit, withYes } from '../change-options.ts'
import { describedCommand } from '../described-command.ts'
import { type Invocation, invoking } from '../invocation.ts'
import { uuidArgument } from '../references.ts'
import { shownTime } from '../shown-time.ts'
import type { Surroundings } from '../surroundings.ts'
import type { Column } from '../table.ts'

export function jobsCommand(surroundings: Surroundings): Command {
  return describedCommand('jobs', { description: 'Jobs, such as mails to be sent, and what became of them.' })
    .addCommand(list(surroundings))
    .addCommand(show(surroundings))
    .addCommand(retry(surroundings))
    .addCommand(drop(surroundings))
}

type Job = ItemOf<'listJobs'>

const columns: readonly Column<Job>[] = [
  { header: 'ID', value: ({ id }) => id },
  { header: 'KIND', value: ({ kind }) => kind },
  {
    header: 'STATE',
    value: ({ state }) => state,
    tone: ({ state }) => (state === 'dead' ? 'bad' : state === 'done' ? 'good' : 'plain'),
  },
  { header: 'ATTEMPTS', value: ({ attempts }) => attempts },
  { header: 'ABOUT', value: ({ about }) => about, mayBeCut: true, mayBeMissing: true },
  { header: 'LAST ERROR', value: ({ lastErrorCode }) => lastErrorCode, mayBeMissing: true },
  { header: 'CREATED', value: ({ createdAt }) => shownTime(createdAt), mayBeMissing: true },
]

function list(surroundings: Surroundings): Command {
  return withLimit(describedCommand('list', { description: 'The jobs.', examples: ['jobs list --state dead'] }))
    .addOption(
      new Option('--state <state>', 'those in this state').choices([
        'queued',
        'running',
        'waiting',
        'done',
        'dead',
        'dropped',
      ]),
    )
    .action(
      invoking<Pick<RequestOf<'listJobs'>, 'state' | 'limit'>>(surroundings, async (invocation, { state, limit }) => {
        const jobs = invocation.client().items('listJobs', { state, limit: pageSize(limit) })
        await invocation.output.list(first(jobs, limit), columns, 'No jobs.')
      }),
    )
}

const jobArgument = (made: Command): Command => made.argument('<job>', 'its id', uuidArgument)

function show(surroundings: Surroundings): Command {
  return jobArgument(
    describedCommand('show', {
      description: 'A job.',
      examples: ['jobs show 0197a000-0000-7000-8000-000000000001'],
    }),
  ).action(
    invoking(surroundings, async (invocation, _, jobId: string) => {
      await showJob(invocation, (await invocation.client().call('readJob', { jobId })).body)
    }),
  )
}

const showJob = ({ output }: Invocation, job: Job): Promise<void> =>
  output.thing(job, [
    ['id', job.id],
    ['kind', job.kind],
    ['about', job.about],
    ['state', job.state],
    ['attempts', job.attempts],
    ['last error', job.lastErrorCode],
    ['which was', job.lastError],
    ['created', shownTime(job.createdAt)],
    ['last attempt', shownTime(job.lastAttemptAt)],
    ['finished', shownTime(job.finishedAt)],
    ['request', job.correlationId],
  ])

function retry(surroundings: Surroundings): Command {
  return withDryRun(
    jobArgument(
      describedCommand('retry', {
        description: 'Try a dead job again, once the reason for its failure is gone.',
        examples: ['jobs retry 0197a000-0000-7000-8000-000000000001'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, jobId: string) => {
      const answer = await invocation.change('retryJob', { jobId }, { does: `try the job ${jobId} again` })
      if (answer !== undefined) await showJob(invocation, answer.body)
    }),
  )
}

function drop(surroundings: Surroundings): Command {
  return withYes(
    jobArgument(
      describedCommand('drop', {
        description: 'Drop a job that has not been done.',
        examples: ['jobs drop 0197a000-0000-7000-8000-000000000001 --yes'],
      }),
    ),
  ).action(
    invoking(surroundings, async (invocation, _, jobId: string) => {
      const act = { does: `drop the job ${jobId}`, destroys: true }
      const answer = await invocation.change('dropJob', { jobId }, act)
      if (answer !== undefined) await invocation.output.note('The job is dropped.')
    }),
  )
}
