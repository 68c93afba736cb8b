import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DeviceFiles, makeDevices, makeManufacturer } from './manufacturer-files.ts'
import { opensslAuthority } from './openssl-authority.ts'
import { owner, type StandInServices, standInServices } from './stand-in-services.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sallyport-device-test-'))
let services: StandInServices
let manufacturer: string
let trustAnchor: string
let files: DeviceFiles

beforeAll(async () => {
  manufacturer = makeManufacturer(folder)
  files = makeDevices(manufacturer, join(folder, 'devices'))[0] ?? failed()
  const authority = opensslAuthority(join(folder, 'authority'), 'installation')
  trustAnchor = authority.certificateFile
  services = await standInServices(authority)
})

afterAll(async () => {
  await services?.close()
  rmSync(folder, { recursive: true, force: true })
})

function failed(): never {
  throw new Error('there is none')
}

interface Command {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly exitCode: Promise<number | null>
}

function device(...words: string[]): Command {
  const child = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part
    })
  }
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, stdout: () => text.stdout, stderr: () => text.stderr, exitCode }
}

const flags = (state: string, dps = services.dps): string[] => [
  ...['--dps', dps, '--trust-anchor', trustAnchor],
  ...['--certificate', files.certificate, '--key', files.key, '--state', join(folder, state)],
]

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('the command line of the device', () => {
  it('provision signs up and leaves the identity and the tokens', async () => {
    const command = device('provision', ...flags('a'))
    expect(await command.exitCode).toBe(0)
    expect(command.stdout()).toMatch(
      new RegExp(`^provisioned ${files.id}: owner ${owner}, gateway coaps://.*\nsigned up`),
    )
    const tokens = JSON.parse(readFileSync(join(folder, 'a', 'tokens.json'), 'utf8'))
    expect(Object.keys(tokens).sort()).toEqual(['accessToken', 'deviceId', 'expiresAt', 'refreshToken', 'uid'])
    expect(command.stdout()).not.toContain(tokens.accessToken)
    expect(services.signedIn).toEqual([])
    expect(existsSync(join(folder, 'a', 'identity.key'))).toBe(true)

    const again = device('provision', ...flags('a'))
    expect(await again.exitCode).toBe(0)
    expect(again.stdout()).toBe(`${files.id} is provisioned and signed up already (${join(folder, 'a')})\n`)
  })

  it('run says each step, renews on SIGHUP, and signs out on SIGTERM', async () => {
    const command = device('run', ...flags('b'), '--interval', '0.2')
    await until('it reports', () => command.stdout().includes('telemetry stored'))
    command.child.kill('SIGHUP')
    await until('it has renewed', () => command.stdout().includes('certificate renewed'))
    command.child.kill('SIGTERM')
    expect(await command.exitCode).toBe(0)
    const lines = command.stdout().trim().split('\n')
    expect(lines[0]).toMatch(/^provisioned/)
    expect(lines[1]).toMatch(/^signed up/)
    expect(lines[2]).toMatch(/^signed in at coaps:/)
    expect(lines[3]).toBe('published /light/1 /temperature/1 /battery/1')
    expect(lines.at(-1)).toBe('signed out')
    expect(command.stderr()).toBe('')
  })

  it('[4.3] run takes the address of the dps from the start, or as it is set afterwards', async () => {
    const [, , ...withoutAddress] = flags('e')
    const command = device('run', ...withoutAddress, '--once')
    await until('it waits for the address', () => command.stdout().includes('waiting for the address of the dps'))
    expect(await device('configure', '--state', join(folder, 'e'), '--dps', services.dps).exitCode).toBe(0)
    expect(await command.exitCode).toBe(0)
    expect(command.stdout()).toContain('signed out')
    const again = device('run', ...withoutAddress, '--once')
    expect(await again.exitCode).toBe(0)
    expect(again.stdout()).not.toContain('waiting')
  })

  it('run --once --json prints an event on each line, for programs', async () => {
    const command = device('run', ...flags('c'), '--once', '--json')
    expect(await command.exitCode).toBe(0)
    const events = command
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ event }) => event)).toContain('telemetry-stored')
    expect(new Set(events.map(({ deviceId }) => deviceId))).toEqual(new Set([files.id]))
  })

  it('ends with one line that says what was wrong, and exit code 1', async () => {
    const wrongKey = device('provision', ...flags('d'), '--key', trustAnchor)
    expect(await wrongKey.exitCode).toBe(1)
    expect(wrongKey.stderr()).toMatch(/^no private key can be read from .*\n$/)
    const wrongAddress = device('provision', ...flags('d', 'localhost:15684'))
    expect(await wrongAddress.exitCode).toBe(1)
    expect(wrongAddress.stderr()).toBe("'localhost:15684' is not an address of the form coaps://host:port\n")
    const unknownName = device('provision', ...flags('d', 'coaps://no-such-host.invalid:15684'))
    expect(await unknownName.exitCode).toBe(1)
    expect(unknownName.stderr()).toMatch(
      /^coaps:\/\/no-such-host.invalid:15684: the name no-such-host.invalid cannot be resolved \(E[A-Z_]+\)\n$/,
    )
    const wrongAnchor = device('provision', ...flags('d'), '--trust-anchor', join(manufacturer, 'root.pem'))
    expect(await wrongAnchor.exitCode).toBe(1)
    expect(wrongAnchor.stderr()).toContain("give the installation's trust-anchor.pem")
  })

  it('fleet makes its certificates with the manufacturer tool and prints a summary as JSON', async () => {
    const command = device(
      ...['fleet', '--count', '5', '--dps', services.dps, '--trust-anchor', trustAnchor],
      ...['--manufacturer', manufacturer, '--json'],
    )
    expect(await command.exitCode).toBe(0)
    expect(JSON.parse(command.stdout())).toMatchObject({
      devices: 5,
      provisioned: 5,
      signedIn: 5,
      reported: 5,
      failed: 0,
    })
  })
})
