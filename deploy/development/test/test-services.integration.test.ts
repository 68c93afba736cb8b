import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { databaseForTest, redisForTest, type TestDatabase, tokenForTest } from '@sallyport/development'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'

const run = promisify(execFile)
let database: TestDatabase
let redis: Awaited<ReturnType<typeof redisForTest>>

beforeAll(async () => {
  database = await databaseForTest({
    template: 'harness',
    migrate: async (url) => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query('create table marker (id int)')
      await client.end()
    },
  })
  redis = await redisForTest()
})

afterAll(async () => {
  await database.drop()
  await redis.stop()
})

it('gives each file a database of its own with the schema of the template', async () => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query('select count(*)::int as count from marker')
  await client.end()
  expect(rows).toEqual([{ count: 0 }])
})

it('makes tokens that softhsm2-util lists by label', async () => {
  const token = await tokenForTest('harness')
  const { stdout } = await run('softhsm2-util', ['--show-slots'])
  expect(stdout).toContain(token.label)
})
