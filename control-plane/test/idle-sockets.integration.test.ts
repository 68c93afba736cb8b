import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nodeProgram } from '@sallyport/development'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

const count = process.env.SALLYPORT_SOAK === '1' ? 10_000 : 500
let running: RunningControlPlane
let session: Session

beforeAll(async () => {
  running = await RunningControlPlane.start({
    SALLYPORT_SOCKETS_PER_PERSON: '20000',
    SALLYPORT_CONNECTIONS_PER_NETWORK: '20000',
    SALLYPORT_REQUESTS_PER_MINUTE: '1000000',
  })
  session = await running.logIn()
})
afterAll(() => running.stop())

/** Of this process, which is the control plane, after a collection. */
function memory(): { readonly heap: number; readonly resident: number } {
  setFlagsFromString('--expose_gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, resident: rss }
}

it(`[F40] ${count} idle sockets are held in a bounded memory each, and all are told of an event`, {
  timeout: 300_000,
}, async () => {
  const tickets: string[] = []
  while (tickets.length < count) {
    const made = await Promise.all(
      Array.from({ length: Math.min(20, count - tickets.length) }, () =>
        session.call('POST', '/api/v1/socket/tickets'),
      ),
    )
    tickets.push(...made.map(({ body }) => body.ticket))
    // They are good for 30 s, which ten thousand do not all see.
    running.sql(
      "update socket_ticket set expires_at = now() + interval '10 minutes' where expires_at < now() + interval '1 minute'",
    )
  }
  const before = memory()
  const child = spawn(nodeProgram, [fileURLToPath(new URL('idle-socket-clients.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    let told = [0, 0, 0]
    child.stdout.on('data', (chunk) => {
      told = (String(chunk).trim().split('\n').at(-1) ?? '').split(' ').map(Number)
    })
    child.stdin.end([new URL(running.controlPlane.addresses.http).port, ...tickets].join('\n'))
    await expect.poll(() => told, { timeout: 240_000, interval: 50 }).toEqual([count, 0, 0])
    const after = memory()
    const heap = (after.heap - before.heap) / count / 1000
    const resident = (after.resident - before.resident) / count / 1000
    const start = performance.now()
    running.sql(`insert into outbox (id, topic, organization_id, correlation_id, data)
      values ('${randomUUID()}', 'device.online', '${running.admin.organizationId}', 'c', '{}'); select pg_notify('outbox', '')`)
    await expect.poll(() => told, { timeout: 30_000, interval: 10 }).toEqual([count, count, 0])
    process.stdout.write(
      `${count} idle sockets with a subscription each: ${heap.toFixed(1)} kB of heap and ${resident.toFixed(1)} kB resident each; all told of an event within ${Math.round(performance.now() - start)} ms\n`,
    )
    expect(heap).toBeLessThan(30)
    if (count >= 10_000) expect(resident).toBeLessThan(40)
  } finally {
    child.kill()
  }
  // Nothing of them stays.
  await expect
    .poll(
      async () =>
        /^sallyport_live_streams\{.*kind="socket".*\} (\d+)$/m.exec(
          await (await fetch(`${running.controlPlane.addresses.management}/metrics`)).text(),
        )?.[1],
      { timeout: 30_000 },
    )
    .toBe('0')
})
