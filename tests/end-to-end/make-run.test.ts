/**
 * `make run` as a person starts it: its own home, its own ports, and nothing left when it is gone, however it goes.
 *
 * The foreign client is openssl, with the files that `ready.json` names.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkoutRoot, eventually, type Ready } from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Run {
  readonly process: ChildProcess
  readonly said: () => string
  readonly ended: Promise<number | NodeJS.Signals>
}

let home: string
let portOffset: number
let running: Run | undefined

const readyFile = () => join(home, 'ready.json')
const readReady = () => JSON.parse(readFileSync(readyFile(), 'utf8')) as Ready

beforeAll(async () => {
  // Postgres runs as another user when root starts it, and must be able to walk down to its folder.
  home = mkdtempSync(join(tmpdir(), 'sallyport-make-run-'))
  chmodSync(home, 0o755)
  portOffset = await freePortOffset()
})

afterAll(async () => {
  running?.process.kill('SIGTERM')
  await running?.ended
  rmSync(home, { recursive: true, force: true })
})

/** As at a person's own terminal: a make above us (`make test`) would have this one speak of its folders. */
const personsEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !['MAKELEVEL', 'MAKEFLAGS', 'MFLAGS'].includes(name)),
)

function makeRun(environment: Readonly<Record<string, string>> = {}): Run {
  const child = spawn('make', ['run'], {
    cwd: checkoutRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...personsEnvironment,
      SALLYPORT_HOME: home,
      SALLYPORT_PORT_OFFSET: String(portOffset),
      ...environment,
    },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    // Not `exit`: the last lines may still be on their way then.
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const run = { process: child, said: () => said, ended }
  running = run
  return run
}

/** Waits for `ready.json`, or fails with what the run said. */
async function ready(run: Run): Promise<Ready> {
  await eventually(
    'the run is ready',
    async () => {
      if (run.process.exitCode !== null) throw new Error(`make run ended: ${run.said()}`)
      return existsSync(readyFile()) && existsSync(`/proc/${readReady().processes.starter}`)
    },
    100_000,
  )
  return readReady()
}

/** Ports of `make run` are in four ranges; an offset is free when one port of each is. */
async function freePortOffset(): Promise<number> {
  for (let offset = 700 + (process.pid % 200) * 10; offset < 6000; offset += 10) {
    const free = await Promise.all([8080, 9080, 5684, 15432, 16379].map((port) => canListen(port + offset)))
    if (free.every(Boolean)) return offset
  }
  throw new Error('no port offset is free')
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Processes whose command line or environment names this home, but for the checkers themselves. */
function processesOfHome(): readonly string[] {
  const found: string[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'latin1') + readFileSync(`/proc/${pid}/environ`, 'latin1')
      if (text.includes(home)) found.push(`${pid} ${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}`)
    } catch {
      // It ended while it was looked at.
    }
  }
  return found
}

/** What openssl says of a handshake with a device's files, and with our trust anchor alone. */
function handshake(coaps: string, trustAnchor: string, device: { certificate: string; key: string }): string {
  const { host } = new URL(coaps.replace('coaps:', 'http:'))
  const presented = ['-cert', device.certificate, '-cert_chain', device.certificate, '-key', device.key]
  const trusted = ['-CAfile', trustAnchor, '-verify_return_error']
  const { stdout, stderr } = spawnSync(
    'timeout',
    ['10', 'sh', '-c', 'sleep 1 | openssl s_client "$@"', 'sh', '-dtls1_2', '-connect', host, ...presented, ...trusted],
    { encoding: 'utf8' },
  )
  return stdout + stderr
}

describe('make run', () => {
  it('[5.1] starts everything with one command, a line per step, and a ready file for its owner alone', async () => {
    const run = makeRun()
    const facts = await ready(run)
    await eventually('it says that it is ready', async () => run.said().includes('Ready. Ctrl-C stops everything.'))

    const steps = run.said().match(/^ {2}[A-Za-z][\w -]*? {2,}/gm) ?? []
    expect(steps.map((step) => step.trim())).toEqual(
      expect.arrayContaining(
        ['Debian packages', 'npm packages', 'Node', 'Postgres', 'Redis', 'HSM tokens', 'PKI', 'migrations'].concat([
          'control-plane',
          'dps',
          'gateway',
          'first device',
        ]),
      ),
    )
    expect(run.said()).toMatch(/device: provisioned .*\n.*device: signed up .*\n.*device: signed in /)

    expect(statSync(readyFile()).mode & 0o777).toBe(0o600)
    expect(Object.keys(facts).sort()).toEqual([
      ...['admin', 'database', 'dps', 'enrollmentGroup', 'gateway', 'http', 'manufacturerDevice', 'metrics', 'pki'],
      ...['processes', 'provisionedDevice', 'redis'],
    ])
    expect(facts.gateway).toEqual({
      coaps: `coaps://127.0.0.1:${5684 + portOffset}`,
      coapsTcp: `coaps+tcp://127.0.0.1:${5684 + portOffset}`,
    })
    expect(facts.dps).toEqual({
      coaps: `coaps://127.0.0.1:${15684 + portOffset}`,
      coapsTcp: `coaps+tcp://127.0.0.1:${15684 + portOffset}`,
    })
    expect(Object.keys(facts.processes).sort()).toEqual([
      'control-plane',
      'device',
      'dps',
      'gateway',
      'postgres',
      'redis',
      'starter',
    ])
    for (const pid of Object.values(facts.processes)) expect(existsSync(`/proc/${pid}`)).toBe(true)
    for (const url of facts.metrics) expect(await (await fetch(url)).text()).toContain('sallyport_')
    for (const { key } of [facts.manufacturerDevice, facts.provisionedDevice]) {
      expect(statSync(key).mode & 0o777).toBe(0o600)
    }
    expect(
      readdirSync(join(home, 'secrets')).map((name) => statSync(join(home, 'secrets', name)).mode & 0o777),
    ).toEqual(readdirSync(join(home, 'secrets')).map(() => 0o600))
  })

  it('[5.1] names devices that a foreign client can use at once, and a trust anchor for both servers', async () => {
    const facts = readReady()
    const { trustAnchor } = facts.pki
    const atGateway = handshake(facts.gateway.coaps, trustAnchor, facts.provisionedDevice)
    expect(atGateway).toContain('Verify return code: 0 (ok)')
    expect(atGateway).not.toMatch(/alert/)
    const atDps = handshake(facts.dps.coaps, trustAnchor, facts.manufacturerDevice)
    expect(atDps).toContain('Verify return code: 0 (ok)')
    expect(atDps).not.toMatch(/alert/)

    const login = await fetch(`${facts.http}/api/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(facts.admin),
    })
    const { access_token: token } = (await login.json()) as { access_token: string }
    const read = (path: string) => fetch(`${facts.http}${path}`, { headers: { authorization: `Bearer ${token}` } })
    const provisioned = await read(`/api/v1/devices/${facts.provisionedDevice.id}`)
    expect(await provisioned.json()).toMatchObject({ online: false, enrollmentGroupId: facts.enrollmentGroup.id })
    expect((await read(`/api/v1/devices/${facts.manufacturerDevice.id}`)).status).toBe(404)
  })

  it('[5.1] starts again whatever dies, and the ready file follows', async () => {
    const before = readReady().processes
    const killed = ['postgres', 'redis', 'gateway', 'device']
    for (const name of killed) process.kill(before[name] ?? 0, 'SIGKILL')
    await eventually(
      'all of them are back',
      async () => {
        const now = readReady().processes
        return killed.every((name) => now[name] !== before[name] && existsSync(`/proc/${now[name]}`))
      },
      40_000,
    )
    const said = running?.said() ?? ''
    for (const name of killed) expect(said).toContain(`${name} ended (SIGKILL); starting it again`)
    await eventually('every service is ready', async () => {
      const health = await Promise.all(readReady().metrics.map((url) => fetch(url.replace('/metrics', '/readyz'))))
      return health.every((answer) => answer.ok)
    })
  })

  it('[5.1] refuses a second start beside it, and says what to do', async () => {
    const first = running
    const second = makeRun()
    expect(await second.ended).not.toBe(0)
    expect(second.said()).toMatch(/sallyport: this checkout is running already \(process \d+\): stop that with Ctrl-C/)
    running = first
    expect(existsSync(readyFile())).toBe(true)
  })

  it('[5.1] leaves no process behind when its starter is killed, and starts again on the same data', async () => {
    const before = readReady()
    process.kill(before.processes.starter ?? 0, 'SIGKILL')
    await running?.ended
    await eventually('no process is left', async () => processesOfHome().length === 0, 20_000)

    const started = performance.now()
    const run = makeRun()
    const after = await ready(run)
    // Some 3 s on two free cores; other tests share them here.
    expect(performance.now() - started).toBeLessThan(20_000)
    expect(run.said()).toContain('the last run was not stopped in order')
    expect(after.enrollmentGroup).toEqual(before.enrollmentGroup)
    expect(after.admin).toEqual(before.admin)
    expect(after.provisionedDevice).toEqual(before.provisionedDevice)
  })

  it('[5.1] stops everything on Ctrl-C, and removes the ready file', async () => {
    process.kill(readReady().processes.starter ?? 0, 'SIGINT')
    expect(await running?.ended).toBe(0)
    expect(running?.said()).toMatch(/Stopping…\n(.*\n)*Stopped\.\n$/)
    expect(existsSync(readyFile())).toBe(false)
    await eventually('no process is left', async () => processesOfHome().length === 0, 2_000)
  })

  it('[5.1] deletes nothing under a run, and says first what it would destroy', async () => {
    const clean = (input: string) =>
      spawnSync('make', ['clean'], {
        cwd: checkoutRoot,
        input,
        encoding: 'utf8',
        env: { ...personsEnvironment, SALLYPORT_HOME: home },
      })
    const first = makeRun()
    await ready(first)
    const refused = clean('yes\n')
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toMatch(/it is running \(process \d+\): stop it with Ctrl-C/)
    process.kill(readReady().processes.starter ?? 0, 'SIGTERM')
    expect(await first.ended).toBe(0)
    const asked = clean('no\n')
    expect(asked.stdout).toContain('the certificate authorities of this installation')
    expect(asked.stdout).toContain('Nothing was deleted.')
    expect(existsSync(join(home, 'pki'))).toBe(true)
  })

  it('[5.1] stops on Ctrl-C while it is still coming up', async () => {
    const run = makeRun()
    await eventually('Postgres is up', async () => run.said().includes('  Postgres '), 30_000)
    const { pid } = JSON.parse(readFileSync(join(home, 'run', 'starter.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGINT')
    expect(await run.ended).toBe(0)
    expect(run.said()).toContain('Stopped.')
    await eventually('no process is left', async () => processesOfHome().length === 0, 5_000)
  })

  it('[5.1] names the port that is taken, and how to move all of them', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(8080 + portOffset, '127.0.0.1', resolve))
    try {
      const run = makeRun()
      expect(await run.ended).not.toBe(0)
      expect(run.said()).toMatch(new RegExp(`sallyport: .*${8080 + portOffset}.*SALLYPORT_PORT_OFFSET`))
    } finally {
      taken.close()
    }
  })
})
