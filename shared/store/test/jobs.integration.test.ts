import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from '@sallyport/development'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type JobOutcome, type JobRunner, openStore, type RunningJob, type Store } from '../src/index.ts'
import { InterruptibleRoute } from './interruptible-route.ts'
import { clock, StoreAroundDevices, system } from './store-around-devices.ts'

type Mail = RunningJob<'send-mail'>

const done: JobOutcome = { outcome: 'done' }
const failedFor = (time: 'good' | 'a while'): JobOutcome => ({
  outcome: 'failed',
  code: 'dependency-unavailable',
  message: 'The test says so.',
  forGood: time === 'good',
})

let around: StoreAroundDevices
const runners: JobRunner[] = []

beforeAll(async () => {
  around = await StoreAroundDevices.open()
})
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.close()
  await around.tables.query('delete from job')
})
afterAll(() => around.close())

const addMail = (to: string, store: Store = around.store) =>
  store.jobs.add(
    {
      kind: 'send-mail',
      organizationId: around.organizationId,
      payload: {
        to,
        template: 'security-notice',
        parameters: { username: 'u', happened: 'x', occurredAt: '2026-11-21T15:00:00.000Z', address: '192.0.2.1' },
      },
    },
    system,
  )

async function running(handle: (job: Mail) => Promise<JobOutcome>, store: Store = around.store): Promise<void> {
  runners.push(await store.jobs.run({ handlers: { 'send-mail': handle }, concurrency: 4 }))
}

const stateOf = async (id: string) => {
  const { rows } = await around.tables.query(
    'select state, attempts, payload, last_error_code from job where id = $1',
    [id],
  )
  return rows[0]
}
const soon = (id: string, state: string) =>
  expect.poll(async () => (await stateOf(id))?.state, { timeout: 15_000, interval: 20 }).toBe(state)
/** As if the pause before the next try were over. */
const hurry = () => around.tables.query("update job set run_at = now() where state = 'waiting'")

describe('a job', () => {
  it('is run once by four runners, and its payload is gone afterwards', async () => {
    const ran: string[] = []
    const handle = async ({ id }: Mail) => {
      ran.push(id)
      return done
    }
    for (let count = 0; count < 4; count += 1) await running(handle)
    const ids = await Promise.all(Array.from({ length: 40 }, (_, index) => addMail(`p${index}@example.com`)))
    await expect.poll(() => ran.length, { timeout: 15_000 }).toBe(40)
    expect(new Set(ran)).toEqual(new Set(ids))
    for (const id of ids) await soon(id, 'done')
    expect(await stateOf(ids[0] ?? '')).toMatchObject({ payload: null, attempts: 1 })
  })

  it('does not exist when the transaction it belongs to is rolled back, and is refused when its payload does not fit', async () => {
    await expect(addMail('not an address')).rejects.toMatchObject({ code: 'internal' })
    await expect(addMail('a@example.com\r\nBcc: b@example.com')).rejects.toMatchObject({ code: 'internal' })
    expect((await around.tables.query('select 1 from job')).rowCount).toBe(0)
  })

  it('that failed for a while is tried again, with a pause that grows', async () => {
    const attempts: number[] = []
    await running(async ({ attempt }) => {
      attempts.push(attempt)
      return attempt < 3 ? failedFor('a while') : done
    })
    const id = await addMail('a@example.com')
    await soon(id, 'waiting')
    const { rows } = await around.tables.query("select run_at - now() > interval '2 s' as later from job")
    expect(rows).toEqual([{ later: true }])
    await hurry()
    await expect.poll(() => attempts.length, { timeout: 10_000 }).toBe(2)
    await soon(id, 'waiting')
    await hurry()
    await soon(id, 'done')
    expect(attempts).toEqual([1, 2, 3])
  })

  it('that cannot succeed is dead at once, audited, and runs again when somebody retries it', async () => {
    let mends = false
    await running(async () => (mends ? done : failedFor('good')))
    const id = await addMail('a@example.com')
    await soon(id, 'dead')
    expect(await stateOf(id)).toMatchObject({ last_error_code: 'dependency-unavailable', attempts: 1 })
    expect((await around.audited('job.failed')).at(-1)).toMatchObject({ subject_id: id, outcome: 'failed' })
    mends = true
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () => around.store.jobs.retry(around.organizationId, id, system)),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await soon(id, 'done')
    expect((await around.audited('job.retried')).filter((event) => event.subject_id === id)).toHaveLength(1)
  })

  it('is dead after its last try', async () => {
    await running(async () => failedFor('a while'))
    const id = await addMail('a@example.com')
    await soon(id, 'waiting')
    await around.tables.query('update job set attempts = 13 where id = $1', [id])
    await hurry()
    await soon(id, 'dead')
  })

  it('with a handler that throws or a payload of another version harms no other job', async () => {
    await running(async ({ payload }) => {
      if (payload.to.startsWith('throws')) throw new TypeError('a fault of ours, with a secret')
      return done
    })
    const throws = await addMail('throws@example.com')
    await soon(throws, 'waiting')
    expect((await stateOf(throws)).last_error_code).toBe('internal')
    await around.tables.query(`update job set payload = '{"to": 7}' where id = $1`, [throws])
    await hurry()
    await soon(throws, 'dead')
    await soon(await addMail('a@example.com'), 'done')
    const { items } = await around.store.jobs.list(around.organizationId, { limit: 10, state: 'dead' })
    expect(JSON.stringify(items)).not.toContain('secret')
  })

  it('that was dropped is never run; one that runs or is done cannot be dropped', async () => {
    const id = await addMail('a@example.com')
    await around.store.jobs.drop(around.organizationId, id, system)
    const ran: string[] = []
    await running(async (job) => {
      ran.push(job.id)
      return done
    })
    const other = await addMail('b@example.com')
    await soon(other, 'done')
    expect(ran).toEqual([other])
    await expect(around.store.jobs.drop(around.organizationId, other, system)).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  it('is nobody else’s: another organization neither sees, retries nor drops it', async () => {
    const id = await addMail('a@example.com')
    const { jobs } = around.store
    const stranger = '0190e4b0-bbbb-7000-8000-00000000abcd'
    expect(await jobs.read(stranger, id)).toBeUndefined()
    expect((await jobs.list(stranger, { limit: 10 })).items).toEqual([])
    await expect(jobs.retry(stranger, id, system)).rejects.toMatchObject({ code: 'not-found' })
    await expect(jobs.drop(stranger, id, system)).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('a runner', () => {
  it('ends with what it has begun when it is closed, and takes nothing more', async () => {
    const begun = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const runner = await around.store.jobs.run({
      concurrency: 1,
      handlers: {
        'send-mail': async () => {
          begun.resolve()
          await mayEnd.promise
          return done
        },
      },
    })
    const [first, second] = [await addMail('a@example.com'), await addMail('b@example.com')]
    await begun.promise
    const closed = runner.close()
    mayEnd.resolve()
    await closed
    expect([(await stateOf(first)).state, (await stateOf(second)).state].sort()).toEqual(['done', 'queued'])
  })

  it('that was taken for dead cannot write its outcome over that of its successor', async () => {
    const [stale, fresh] = [Promise.withResolvers<JobOutcome>(), Promise.withResolvers<JobOutcome>()]
    const results: string[] = []
    const started = await around.store.jobs.run({
      handlers: { 'send-mail': () => stale.promise },
      concurrency: 1,
      observer: { attempted: ({ result }) => results.push(result) },
    })
    runners.push(started)
    const id = await addMail('a@example.com')
    await soon(id, 'running')
    await running(() => fresh.promise)
    await around.tables.query("update job set lease_until = now() - interval '1 s'")
    await expect.poll(async () => (await stateOf(id)).attempts, { timeout: 15_000 }).toBe(2)
    stale.resolve(failedFor('good'))
    await expect.poll(() => results, { timeout: 15_000 }).toEqual(['lost'])
    expect((await stateOf(id)).state).toBe('running')
    fresh.resolve(done)
    await soon(id, 'done')
  })

  it('gives back what a killed process was running, within half a minute', { timeout: 60_000 }, async () => {
    const program = `
      const { openStore } = await import(${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)})
      const store = await openStore({ connectionString: process.env.URL, applicationName: 'victim', clock: { now: () => Date.now() } })
      await store.jobs.run({ concurrency: 1, handlers: { 'send-mail': () => { console.log('begun'); return new Promise(() => {}) } } })`
    const victim = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { PATH: process.env.PATH, URL: around.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const id = await addMail('a@example.com')
    await once(victim.stdout, 'data')
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    await running(async () => done)
    await expect.poll(async () => (await stateOf(id)).state, { timeout: 40_000, interval: 200 }).toBe('done')
    expect((await stateOf(id)).attempts).toBe(2)
  })

  it('goes on through a database that hangs up on it under load, and loses nothing', { timeout: 60_000 }, async () => {
    const route = await InterruptibleRoute.to(around.url)
    const store = await openStore({ connectionString: route.url, applicationName: 'jobs', clock })
    const ran = new Set<string>()
    await running(async ({ id }) => {
      ran.add(id)
      await new Promise((resolve) => setTimeout(resolve, 20))
      return done
    }, store)
    const ids: string[] = []
    for (let round = 0; round < 3; round += 1) {
      ids.push(...(await Promise.all(Array.from({ length: 50 }, (_, index) => addMail(`p${index}@example.com`)))))
      await expect.poll(() => ran.size, { timeout: 20_000 }).toBeGreaterThan(round * 50 + 5)
      route.cut()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      route.mend()
    }
    await eventually(
      'every job is done',
      async () => (await around.tables.query("select 1 from job where state <> 'done'")).rowCount === 0,
      45_000,
    )
    expect(ran).toEqual(new Set(ids))
    for (const runner of runners.splice(0)) await runner.close()
    await store.close()
    await route.close()
  })

  it('counts what waits, runs and is dead, and how long the oldest has been there', async () => {
    await addMail('a@example.com')
    const dead = await addMail('b@example.com')
    await around.tables.query("update job set state = 'dead', finished_at = now() where id = $1", [dead])
    await around.tables.query("update job set created_at = now() - interval '1 hour' where state = 'queued'")
    const [figures] = await around.store.jobs.figures()
    expect(figures).toMatchObject({ kind: 'send-mail', queued: 1, running: 0, waiting: 0, dead: 1 })
    expect(figures?.oldest).toBeGreaterThan(3_500_000)
  })
})
