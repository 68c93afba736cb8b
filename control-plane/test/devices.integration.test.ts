import { randomUUID } from 'node:crypto'
import { instant } from '@sallyport/clock'
import { beforeEach, describe, expect, it } from 'vitest'
import { controlPlaneForFile } from './control-plane-for-file.ts'
import type { ProvisionedDevice } from './running-control-plane.ts'

const here = controlPlaneForFile()

const device = (id: string) => `/api/v1/devices/${id}`
const systemAct = () => ({ actor: { kind: 'system', id: 'test' }, correlationId: randomUUID() }) as const

describe('devices', () => {
  it('[4.17] are online from sign-in until the association closes, with the time they were last heard of', async () => {
    const lamp = await here.running.register(here.group)
    expect((await here.session.call('GET', device(lamp.deviceId))).body).toMatchObject({
      id: lamp.deviceId,
      online: false,
    })
    await here.running.signIn(lamp)
    const { body } = await here.session.call('GET', device(lamp.deviceId))
    expect(body.online).toBe(true)
    expect(Date.now() - Date.parse(body.lastSeenAt)).toBeLessThan(10_000)
    const listed = await here.session.call('GET', '/api/v1/devices?online=true')
    expect(listed.body.items.map(({ id }: { id: string }) => id)).toContain(lamp.deviceId)
    const offline = await here.session.call('GET', '/api/v1/devices?online=false')
    expect(offline.body.items.map(({ id }: { id: string }) => id)).not.toContain(lamp.deviceId)
  })

  it('[4.17] of a gateway whose lease has lapsed are swept offline', async () => {
    const lamp = await here.running.register(here.group)
    await here.running.signIn(lamp, 'gateway-that-dies')
    here.running.sql(
      "update gateway_instance set lease_renewed_at = now() - interval '1 minute' where id = 'gateway-that-dies'",
    )
    await expect
      .poll(
        async () => {
          const { body } = await here.session.call(
            'GET',
            `/api/v1/audit-events?subjectId=${lamp.deviceId}&type=device.offline`,
          )
          return body.items[0]?.details.reason
        },
        { timeout: 12_000, interval: 300 },
      )
      .toBe('gateway-lost')
    expect((await here.session.call('GET', device(lamp.deviceId))).body.online).toBe(false)
  })

  it('are named and labelled, found by name, label, group and text', async () => {
    const [one, other] = [await here.running.register(here.group), await here.running.register(here.group)]
    const patch = (id: string, body: unknown) =>
      here.session.call('PATCH', device(id), { body, headers: { 'if-match': '*' } })
    const changed = await patch(one.deviceId, { name: 'Kitchen lamp', labels: { room: 'kitchen', floor: '1' } })
    expect(changed.body).toMatchObject({ name: 'Kitchen lamp', labels: { room: 'kitchen', floor: '1' } })
    await patch(other.deviceId, { name: 'Hall lamp', labels: { room: 'hall', floor: '1' } })
    const found = async (query: string) =>
      (await here.session.call('GET', `/api/v1/devices?${query}`)).body.items
        .map(({ name }: { name: string }) => name)
        .sort()
    expect(await found('label=floor:1')).toEqual(['Hall lamp', 'Kitchen lamp'])
    expect(await found('label=floor:1&label=room:hall')).toEqual(['Hall lamp'])
    expect(await found('q=kitchen')).toEqual(['Kitchen lamp'])
    expect(await found('name=kitchen')).toEqual(['Kitchen lamp'])
    expect(await found(`groupId=${here.group.id}&label=room:kitchen`)).toEqual(['Kitchen lamp'])
    expect(await found(`groupId=${randomUUID()}`)).toEqual([])
    expect(await found(`q=${encodeURIComponent("' or 1=1 --")}`)).toEqual([])
    expect(await found('q=%25')).toEqual([])
  })

  it('are listed whole over pages, each once', async () => {
    for (let count = 0; count < 5; count += 1) await here.running.register(here.group)
    const ids: string[] = []
    let cursor = ''
    do {
      const { body } = await here.session.call('GET', `/api/v1/devices?limit=3${cursor}`)
      ids.push(...body.items.map(({ id }: { id: string }) => id))
      cursor = body.nextCursor === null ? '' : `&cursor=${encodeURIComponent(body.nextCursor)}`
    } while (cursor !== '')
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBe(Number(here.running.sql('select count(*) from device where registered_at is not null')))
    for (const wrong of ['limit=0', 'limit=1000', 'cursor=nonsense', 'online=maybe', 'unknown=1', 'label=x']) {
      expect((await here.session.call('GET', `/api/v1/devices?${wrong}`)).status, wrong).toBe(422)
    }
  })

  it('are changed with If-Match alone, by fields that are people’s to change', async () => {
    const lamp = await here.running.register(here.group)
    const { headers, body } = await here.session.call('GET', device(lamp.deviceId))
    const patch = (json: unknown, ifMatch?: string) =>
      here.session.call('PATCH', device(lamp.deviceId), {
        body: json,
        headers: ifMatch === undefined ? {} : { 'if-match': ifMatch },
      })
    expect((await patch({ name: 'x' })).status).toBe(428)
    expect((await patch({ name: 'x' }, `"${body.version + 1}"`)).status).toBe(412)
    expect((await patch({ name: 'x' }, headers.get('etag') ?? '')).status).toBe(200)
    for (const wrong of [
      {},
      { online: true },
      { organizationId: randomUUID() },
      { name: '' },
      { labels: { ' ': 'x' } },
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`label-${index}`, 'x'])) },
      { labels: { ok: 7 } },
    ]) {
      expect((await patch(wrong, '*')).status, JSON.stringify(wrong)).toBe(422)
    }
  })

  it('[4.16] are forgotten when they are deleted, and the gateways are told', async () => {
    const lamp = await here.running.register(here.group)
    await here.running.signIn(lamp)
    const told: string[] = []
    const stop = await here.running.store.listen(
      'device_closed',
      (payload) => told.push(payload),
      () => {},
    )
    expect((await here.session.call('DELETE', device(lamp.deviceId))).status).toBe(204)
    await expect.poll(() => told.some((payload) => payload.includes(lamp.deviceId))).toBe(true)
    await stop()
    expect((await here.session.call('GET', device(lamp.deviceId))).status).toBe(404)
    expect((await here.session.call('DELETE', device(lamp.deviceId))).status).toBe(404)
    expect(await here.running.store.certificates.findRecorded(lamp.certificateSha256)).not.toMatchObject({
      state: 'active',
    })
  })
})

describe('resources', () => {
  let lamp: ProvisionedDevice

  beforeEach(async () => {
    lamp = await here.running.register(here.group)
    await here.running.store.resources.publish(
      lamp.deviceId,
      [{ href: '/light/1', rt: ['core.light'], if: ['oic.if.a', 'oic.if.baseline'], p: { bm: 3 } }],
      0,
      systemAct(),
    )
  })

  it('are listed with their twins, and read by an href with slashes', async () => {
    await here.running.store.resources.report(
      lamp.deviceId,
      '/light/1',
      { representation: { state: true, power: 7 }, contentFormat: 60 },
      systemAct(),
    )
    const listed = await here.session.call('GET', `${device(lamp.deviceId)}/resources`)
    const expected = {
      href: '/light/1',
      resourceTypes: ['core.light'],
      interfaces: ['oic.if.a', 'oic.if.baseline'],
      published: true,
      representation: { state: true, power: 7 },
      representationAt: expect.any(String),
      version: 1,
    }
    expect(listed.body).toEqual({ items: [expected], nextCursor: null })
    expect((await here.session.call('GET', `${device(lamp.deviceId)}/resources/light/1`)).body).toEqual(expected)
    expect((await here.session.call('GET', `${device(lamp.deviceId)}/resources/light/2`)).status).toBe(404)
  })

  it('are not read live from a device that is offline: the answer comes at once', async () => {
    const start = performance.now()
    const { status, body } = await here.session.call('GET', `${device(lamp.deviceId)}/resources/light/1?twin=false`)
    expect([status, body.code]).toEqual([503, 'device-offline'])
    expect(performance.now() - start).toBeLessThan(2000)
  })

  /** Answers the next command to the lamp as its gateway would. */
  async function answerNext(outcome: Parameters<typeof here.running.store.commands.complete>[1]): Promise<string> {
    const stop = new AbortController()
    return new Promise((resolve, reject) => {
      here.running.store
        .listen(
          'command_created',
          (payload) => {
            const { commandId, deviceId } = JSON.parse(payload)
            if (deviceId !== lamp.deviceId || stop.signal.aborted) return
            stop.abort()
            here.running.store.commands
              .claim(commandId, 'gateway-test')
              .then(() => here.running.store.commands.complete(commandId, outcome, systemAct()))
              .then(() => resolve(commandId), reject)
          },
          () => {},
        )
        .then((end) => stop.signal.addEventListener('abort', () => void end()), reject)
    })
  }
  const put = (body: unknown, headers: Record<string, string> = {}) =>
    here.session.call('PUT', `${device(lamp.deviceId)}/resources/light/1`, { body, headers })

  it('are updated on the device: 200 with its answer as soon as it is there', async () => {
    await here.running.signIn(lamp)
    const answered = answerNext({ state: 'succeeded', coapCode: '2.04', representation: { state: false } })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const start = performance.now()
    const { status, body } = await put({ state: false })
    expect(status).toBe(200)
    expect(body).toEqual({
      href: '/light/1',
      representation: { state: false },
      coapCode: '2.04',
      commandId: await answered,
    })
    expect(performance.now() - start).toBeLessThan(3000)
    const command = await here.session.call('GET', `${device(lamp.deviceId)}/commands/${body.commandId}`)
    expect(command.body).toMatchObject({ state: 'succeeded', method: 'POST', href: '/light/1', coapCode: '2.04' })
  })

  it('are read live from the device', async () => {
    await here.running.signIn(lamp)
    const answered = answerNext({ state: 'succeeded', coapCode: '2.05', representation: { state: true } })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { status, body } = await here.session.call('GET', `${device(lamp.deviceId)}/resources/light/1?twin=false`)
    expect([status, body.representation, body.coapCode]).toEqual([200, { state: true }, '2.05'])
    await answered
  })

  it.each([
    ['4.00', 400],
    ['4.01', 403],
    ['4.04', 404],
    ['4.05', 405],
    ['5.03', 503],
    ['5.00', 502],
  ])('pass on what the device refused: %s as %d', async (coapCode, status) => {
    await here.running.signIn(lamp)
    const answered = answerNext({ state: 'refused', coapCode, errorCode: 'device-refused' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const answer = await put({ state: false })
    expect([answer.status, answer.body.code, answer.body.details.coapCode]).toEqual([
      status,
      'device-refused',
      coapCode,
    ])
    await answered
  })

  it.each([
    ['a request that cannot be sent', { state: 'refused', errorCode: 'validation-failed' }, 422, 'validation-failed'],
    ['a device that left', { state: 'expired', errorCode: 'device-offline' }, 503, 'device-offline'],
    [
      'a device that kept silent',
      { state: 'expired', errorCode: 'device-not-responding' },
      504,
      'device-not-responding',
    ],
  ] as const)('tell %s apart', async (_what, outcome, status, code) => {
    await here.running.signIn(lamp)
    const answered = answerNext(outcome)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const answer = await put({ state: false })
    expect([answer.status, answer.body.code]).toEqual([status, code])
    await answered
  })

  it('say so when nobody knows whether the device acted', async () => {
    await here.running.signIn(lamp)
    const answered = answerNext({ state: 'outcome-unknown', errorCode: 'timed-out' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const answer = await put({ state: false })
    expect([answer.status, answer.body.code]).toEqual([504, 'device-not-responding'])
    await answered
  })

  it('wait as long as the caller prefers, then 202 with the pending command', async () => {
    await here.running.signIn(lamp)
    const start = performance.now()
    const { status, body, headers } = await put({ state: true }, { prefer: 'wait=1' })
    const waited = performance.now() - start
    expect(status).toBe(202)
    expect(waited).toBeGreaterThan(900)
    expect(waited).toBeLessThan(3000)
    expect(body).toMatchObject({ state: 'pending', method: 'POST', href: '/light/1' })
    expect(headers.get('preference-applied')).toBe('wait=1')
    expect((await here.session.call('GET', headers.get('location') ?? '')).body).toEqual(body)
  })

  it('keep a command for a device that is offline: 202 at once', async () => {
    const start = performance.now()
    const { status, body } = await put({ state: true })
    expect([status, body.state]).toEqual([202, 'pending'])
    expect(performance.now() - start).toBeLessThan(2000)
    const { body: listed } = await here.session.call('GET', `${device(lamp.deviceId)}/commands`)
    expect(listed.items.map(({ id }: { id: string }) => id)).toEqual([body.id])
  })

  it.each([
    ['nested without end', JSON.stringify(Array.from({ length: 40 }).reduce((inner) => [inner], 0))],
    ['with a number that JSON cannot keep', '{"count":9007199254740993}'],
    ['with __proto__', '{"__proto__":{"x":1}}'],
    ['cut short', '{"state":'],
  ])('take no representation %s', async (_what, text) => {
    const response = await fetch(
      `${here.running.controlPlane.addresses.http}${device(lamp.deviceId)}/resources/light/1`,
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${here.session.accessToken}`, 'content-type': 'application/json' },
        body: text,
      },
    )
    expect([400, 422]).toContain(response.status)
    expect(here.running.sql(`select count(*) from command where device_id = '${lamp.deviceId}'`)).toBe('0')
  })
})

describe('telemetry', () => {
  it('is read as last values and as a range of one measurement, newest first, in pages', async () => {
    const lamp = await here.running.register(here.group)
    const start = Date.parse('2026-11-21T10:00:00Z')
    await here.running.store.telemetry.append(
      [0, 1, 2, 3, 4].map((minute) => ({
        deviceId: lamp.deviceId,
        organizationId: here.group.organizationId,
        name: 'temperature',
        at: instant(start + minute * 60_000),
        value: 20 + minute,
        unit: 'Cel',
      })),
    )
    const read = (query: string) => here.session.call('GET', `${device(lamp.deviceId)}/telemetry${query}`)
    expect((await read('')).body).toEqual({
      items: [{ name: 'temperature', at: '2026-11-21T10:04:00.000Z', value: 24, unit: 'Cel' }],
      nextCursor: null,
    })
    const first = await read('?name=temperature&from=2026-11-21T10:01:00Z&to=2026-11-21T10:04:00Z&limit=2')
    expect(first.body.items.map(({ value }: { value: number }) => value)).toEqual([23, 22])
    const cursor = encodeURIComponent(first.body.nextCursor)
    const second = await read(
      `?name=temperature&from=2026-11-21T10:01:00Z&to=2026-11-21T10:04:00Z&limit=2&cursor=${cursor}`,
    )
    expect(second.body.items.map(({ value }: { value: number }) => value)).toEqual([21])
    expect((await read('?from=2026-11-21T10:01:00Z')).body.code).toBe('validation-failed')
    expect((await read('?name=temperature&from=yesterday')).status).toBe(422)
  })
})

describe('provisioning records', () => {
  it('show how a device came, and are found by device and by group', async () => {
    const lamp = await here.running.provision(here.group)
    await here.running.store.provisioning.recordStep(lamp.recordId, 'credentials', { coapCode: '2.04' }, systemAct())
    const { body } = await here.session.call('GET', `/api/v1/provisioning-records?deviceId=${lamp.deviceId}`)
    expect(body.items).toEqual([
      expect.objectContaining({
        id: lamp.recordId,
        deviceId: lamp.deviceId,
        enrollmentGroupId: here.group.id,
        steps: [expect.objectContaining({ step: 'credentials', coapCode: '2.04', errorCode: null })],
      }),
    ])
    expect((await here.session.call('GET', `/api/v1/provisioning-records/${lamp.recordId}`)).body).toEqual(
      body.items[0],
    )
    expect((await here.session.call('GET', `/api/v1/provisioning-records?groupId=${randomUUID()}`)).body.items).toEqual(
      [],
    )
  })
})
