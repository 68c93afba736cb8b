/** The jobs of this process: who does which, and the figures of all. */

import type { Logger, Metrics } from '@sallyport/diagnostics'
import type { JobFigures, JobRunner, Store } from '@sallyport/store'
import { sendMailWith } from './mail/send-mail.ts'
import type { MailSender } from './mail/smtp.ts'

const figuresEvery = 10_000

export async function startJobs(options: {
  readonly store: Pick<Store, 'jobs'>
  readonly mailSender: MailSender | undefined
  readonly concurrency: number
  readonly metrics: Metrics
  readonly log: Logger
}): Promise<JobRunner> {
  const { store, log, metrics } = options
  const attempts = metrics.counter({
    name: 'sallyport_job_attempts_total',
    help: 'Tries of jobs by this process, by kind and by what came of it.',
    labels: ['kind', 'result'],
  })
  const durations = metrics.histogram({
    name: 'sallyport_job_duration_seconds',
    help: 'Time of one try.',
    labels: ['kind'],
  })
  const figures = startFigures(store, metrics)
  const runner = await store.jobs.run({
    concurrency: options.concurrency,
    handlers: { 'send-mail': sendMailWith(options.mailSender) },
    observer: {
      attempted({ id, kind, attempt, correlationId, result, duration, code }) {
        attempts.inc({ kind, result })
        durations.observe({ kind }, duration / 1000)
        const told = { jobId: id, kind, attempt, correlationId, duration, errorCode: code }
        if (result === 'done') log.info(told, 'job done')
        else log.warn(told, result === 'dead' ? 'job failed for good' : 'job is tried again')
      },
    },
  })
  return {
    async close() {
      figures.stop()
      await runner.close()
    },
  }
}

/** Of the whole installation: every process shows the same, so an alert takes the largest. */
function startFigures(store: Pick<Store, 'jobs'>, metrics: Metrics): { stop(): void } {
  const jobs = metrics.gauge({
    name: 'sallyport_jobs',
    help: 'Jobs that are not finished, by kind and state; dead ones wait for an operator.',
    labels: ['kind', 'state'],
  })
  const oldest = metrics.gauge({
    name: 'sallyport_job_oldest_age_seconds',
    help: 'How long the oldest job has been there that is neither finished nor dead.',
    labels: ['kind'],
  })
  const show = (kinds: readonly JobFigures[]): void => {
    jobs.reset()
    oldest.reset()
    for (const { kind, oldest: age, ...counts } of kinds) {
      for (const state of ['queued', 'running', 'waiting', 'dead'] as const) jobs.set({ kind, state }, counts[state])
      oldest.set({ kind }, age / 1000)
    }
  }
  const look = (): void => void store.jobs.figures().then(show, () => undefined)
  look()
  const timer = setInterval(look, figuresEvery)
  return { stop: () => clearInterval(timer) }
}
