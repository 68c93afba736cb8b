/** What grows and is of no use any more goes; what will be needed soon is made. In small steps, so that none runs long. */

import type { Database } from './database.ts'
import { type Sql, sql } from './sql.ts'
import { ensureTelemetryPartitions } from './telemetry-partitions.ts'

const mostAtOnce = 5000

export async function housekeep(database: Database): Promise<void> {
  await database.read((query) => ensureTelemetryPartitions((text) => query.rows(sql.raw(text))))
  // A subscriber that was away for longer reads the present state instead.
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from outbox where sequence in (
        select sequence from outbox where published_at < now() - interval '7 days' order by published_at limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from onboarding_code where code_hash in (
        select code_hash from onboarding_code where expires_at < now() - interval '1 day' limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from admission_failure where ctid = any(array(
        select ctid from admission_failure where minute < now() - interval '90 days' limit ${limit}))`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from idempotency_key where ctid = any(array(
        select ctid from idempotency_key where created_at < now() - interval '24 hours' limit ${limit}))`,
  )
  // Whoever still shows it is told no longer that it was revoked, but that there is no such key.
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from api_key where id in (
        select id from api_key where coalesce(revoked_at, expires_at) < now() - interval '1 year' limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from email_verification where user_id in (
        select user_id from email_verification where expires_at < now() - interval '1 day' limit ${limit})`,
  )
  // Longer than any copy of an association is kept, and than any association lives without a word.
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from association_mark where association_id in (
        select association_id from association_mark where updated_at < now() - interval '3 days'
        order by updated_at limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from socket_ticket where ticket_sha256 in (
        select ticket_sha256 from socket_ticket where expires_at < now() order by expires_at limit ${limit})`,
  )
  // Who retries a dead job has a month for it.
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from job where id in (
        select id from job where finished_at < now() - case state when 'dead' then interval '30 days' else interval '7 days' end
        order by finished_at limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from notification where id in (
        select id from notification where created_at < now() - interval '90 days' order by created_at limit ${limit})`,
  )
  await deleteInSteps(
    database,
    (limit) => sql`
      delete from login_network where (user_id, network) in (
        select user_id, network from login_network where last_login_at < now() - interval '180 days'
        order by last_login_at limit ${limit})`,
  )
  const forgotten = await database.read((query) =>
    query.rows<{ readonly id: string }>(sql`
      select id from device where forgotten_at is not null
        and exists (select from telemetry t where t.device_id = device.id and t.received_at <= device.forgotten_at)
      limit 100`),
  )
  for (const { id } of forgotten) {
    await deleteInSteps(
      database,
      (limit) => sql`
        delete from telemetry where (device_id, name, at) in (
          select t.device_id, t.name, t.at from telemetry t join device d on d.id = t.device_id
          where t.device_id = ${id} and t.received_at <= d.forgotten_at limit ${limit})`,
    )
  }
}

async function deleteInSteps(database: Database, statement: (limit: number) => Sql): Promise<void> {
  let deleted = mostAtOnce
  while (deleted === mostAtOnce) deleted = await database.read((query) => query.run(statement(mostAtOnce)))
}
