import type { Instant } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { JsonValue } from '@sallyport/fleet'
import type { ActContext } from '../act.ts'
import type { ResourceLink, Resources, TwinResource } from '../resources.ts'
import type { Database, Query } from './database.ts'
import { present } from './row.ts'
import { json, sql } from './sql.ts'
import type { TransactionRecord } from './transaction-record.ts'

interface LinkRow {
  readonly href: string
  readonly rt: readonly string[]
  readonly if: readonly string[]
  readonly rel: string | null
  readonly bm: number | null
}

/** Published by one device. */
const mostLinks = 512
/** In characters of JSON. Outbox, stream and watchers keep many events: a device that keeps changing must not fill them. */
const longestAnnounced = 4096

export class PostgresResources implements Resources {
  readonly #database: Database
  readonly #record: TransactionRecord

  constructor(database: Database, record: TransactionRecord) {
    this.#database = database
    this.#record = record
  }

  async publish(deviceId: string, links: readonly ResourceLink[], timeToLive: number, act: ActContext): Promise<void> {
    if (links.length === 0) return
    const rows = links.map((link) => ({
      href: link.href,
      resource_types: link.rt,
      interfaces: link.if,
      relation: link.rel,
      policy: link.p?.bm,
    }))
    await this.#database.transaction(async (query) => {
      // Publications of one device take turns, so that together they stay within the bound.
      const organizationId = await registeredOrganization(query, deviceId, sql`for no key update`)
      await forgetExpired(query, deviceId, links)
      const present = new Map((await linksOf(query, deviceId)).map((link) => [link.href, link]))
      await query.run(sql`
        insert into resource_link (device_id, href, organization_id, resource_types, interfaces, relation, policy, expires_at)
        select ${deviceId}::uuid, href, ${organizationId}::uuid, resource_types, interfaces, relation, policy,
          case when ${timeToLive}::integer > 0 then now() + make_interval(secs => ${timeToLive}::integer) end
        from jsonb_populate_recordset(null::resource_link, ${json(rows)})
        order by href
        on conflict (device_id, href) do update set resource_types = excluded.resource_types,
          interfaces = excluded.interfaces, relation = excluded.relation, policy = excluded.policy,
          published_at = now(), expires_at = excluded.expires_at`)
      await assertFewLinks(query, deviceId)
      // Devices publish the same at each start: that is no news.
      const changed = links.filter((link) => !isSame(link, present.get(link.href)))
      if (changed.length === 0) return
      const hrefs = changed.map((link) => link.href)
      await this.#record.audit(query, act, {
        type: 'resource.published',
        organizationId,
        subjectId: deviceId,
        details: { hrefs },
      })
      await this.#record.announce(query, act, {
        topic: 'resource.published',
        organizationId,
        deviceId,
        data: { links: changed.map((link) => ({ href: link.href, rt: link.rt, if: link.if })) },
      })
    })
  }

  async unpublish(deviceId: string, hrefs: readonly string[] | 'all', act: ActContext): Promise<void> {
    await this.#database.transaction(async (query) => {
      const gone = await query.rows<{ readonly href: string; readonly organizationId: string }>(sql`
        delete from resource_link where device_id = ${deviceId}
          ${hrefs === 'all' ? sql`` : sql`and href = any(${hrefs}::text[])`}
        returning href, organization_id as "organizationId"`)
      const [first] = gone
      if (first === undefined) return
      const { organizationId } = first
      const goneHrefs = gone.map((row) => row.href).sort()
      await query.run(sql`delete from twin_resource where device_id = ${deviceId} and href = any(${goneHrefs}::text[])`)
      await this.#record.audit(query, act, {
        type: 'resource.unpublished',
        organizationId,
        subjectId: deviceId,
        details: { hrefs: goneHrefs },
      })
      await this.#record.announce(query, act, {
        topic: 'resource.unpublished',
        organizationId,
        deviceId,
        data: { hrefs: goneHrefs },
      })
    })
  }

  links(organizationId: string | undefined, deviceId: string): Promise<readonly ResourceLink[]> {
    const work = organizationId === undefined ? this.#database : this.#database.of(organizationId)
    return work.read((query) => linksOf(query, deviceId, organizationId))
  }

  report(
    deviceId: string,
    href: string,
    report: Parameters<Resources['report']>[2],
    act: ActContext,
  ): Promise<{ readonly version: number }> {
    const { representation, contentFormat, etag } = report
    return this.#database.transaction(async (query) => {
      const organizationId = await registeredOrganization(query, deviceId)
      const before = await query.first<{ readonly version: number; readonly same: boolean }>(sql`
        select version, representation = ${json(representation)} as same from twin_resource
        where device_id = ${deviceId} and href = ${href} for update`)
      const row = await query.first<{ readonly version: number }>(sql`
        insert into twin_resource (device_id, href, organization_id, representation, content_format, etag)
        values (${deviceId}, ${href}, ${organizationId}, ${json(representation)}, ${contentFormat}, ${etag})
        on conflict (device_id, href) do update set representation = excluded.representation,
          content_format = excluded.content_format, etag = excluded.etag, updated_at = now(),
          version = twin_resource.version
            + case when twin_resource.representation = excluded.representation then 0 else 1 end
        returning version`)
      if (row === undefined) throw new CodedError('internal', 'a twin that was just written is not there')
      if (before?.same !== true) {
        await this.#record.announce(query, act, {
          topic: 'resource.changed',
          organizationId,
          deviceId,
          data: { href, version: row.version, ...(isSmall(representation) ? { representation } : {}) },
        })
      }
      return row
    })
  }

  async twin(organizationId: string, deviceId: string, href?: string): Promise<readonly TwinResource[]> {
    interface Row {
      readonly href: string
      readonly representation: JsonValue
      readonly contentFormat: number
      readonly etag: string | null
      readonly version: number
      readonly updatedAt: Instant
    }
    const rows = await this.#database.of(organizationId).read((query) =>
      query.rows<Row>(sql`
        select href, representation, content_format as "contentFormat", etag, version, updated_at as "updatedAt"
        from twin_resource
        where device_id = ${deviceId} and organization_id = ${organizationId}
          ${href === undefined ? sql`` : sql`and href = ${href}`}
        order by href`),
    )
    return rows.map(({ etag, ...row }) => ({ ...row, ...present({ etag }) }))
  }
}

/**
 * The organization of a registered device, which stays one until the transaction ends: what is written about a device is
 * either before its deletion, and deleted with it, or not written.
 */
async function registeredOrganization(query: Query, deviceId: string, lock = sql`for share`): Promise<string> {
  const device = await query.first<{ readonly organizationId: string }>(sql`
    select organization_id as "organizationId" from device
    where id = ${deviceId} and registered_at is not null and state = 'active' ${lock}`)
  if (device === undefined) throw new CodedError('device-not-registered', 'The device is not registered.')
  return device.organizationId
}

/** Links whose time is over go, with their twins, unless they are published again now. */
async function forgetExpired(query: Query, deviceId: string, links: readonly ResourceLink[]): Promise<void> {
  await query.run(sql`
    with gone as (
      delete from resource_link where device_id = ${deviceId} and expires_at <= now()
        and href <> all(${links.map((link) => link.href)}::text[])
      returning href
    )
    delete from twin_resource where device_id = ${deviceId} and href in (select href from gone)`)
}

/** A device that invents links without end must not fill the database, nor the lists that people read. */
async function assertFewLinks(query: Query, deviceId: string): Promise<void> {
  const row = await query.first<{ readonly count: number }>(
    sql`select count(*) as count from resource_link where device_id = ${deviceId}`,
  )
  if ((row?.count ?? 0) <= mostLinks) return
  throw new CodedError('validation-failed', `A device has at most ${mostLinks} published links.`)
}

async function linksOf(query: Query, deviceId: string, organizationId?: string): Promise<readonly ResourceLink[]> {
  const rows = await query.rows<LinkRow>(sql`
    select href, resource_types as rt, interfaces as if, relation as rel, policy as bm from resource_link
    where device_id = ${deviceId} and (expires_at is null or expires_at > now())
      ${organizationId === undefined ? sql`` : sql`and organization_id = ${organizationId}`}
    order by href`)
  return rows.map(({ rel, bm, ...link }) => ({ ...link, ...present({ rel }), ...(bm === null ? {} : { p: { bm } }) }))
}

const isSmall = (representation: JsonValue): boolean => JSON.stringify(representation).length <= longestAnnounced

const isSame = (link: ResourceLink, other: ResourceLink | undefined): boolean =>
  other !== undefined &&
  link.rel === other.rel &&
  link.p?.bm === other.p?.bm &&
  link.rt.join(' ') === other.rt.join(' ') &&
  link.if.join(' ') === other.if.join(' ')
