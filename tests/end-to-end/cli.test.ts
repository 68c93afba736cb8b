/** `sallyport`, the command itself, against the running product: for people (aligned text) and for programs (`--json`, exit codes). */

import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkoutRoot,
  type DeviceFiles,
  eventually,
  installationForTest,
  type RunningDevice,
  runProgram,
  type TestInstallation,
} from '@sallyport/development'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

let installation: TestInstallation
let files: DeviceFiles
let device: RunningDevice
/** The person's own folder: nothing of it is shared with whoever runs the tests. */
let folder: string
let environment: Readonly<Record<string, string>>

const command = join(checkoutRoot, 'node_modules', '.bin', 'sallyport')
const credentialsFile = () => join(folder, 'config', 'sallyport', 'credentials.json')

/** A shell's line; `sallyport` is the command. */
function shell(line: string, input = '', more: Readonly<Record<string, string>> = {}): Promise<Said> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', `set -o pipefail; ${line}`], {
      cwd: folder,
      env: { ...environment, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('close', (code) => resolve({ code: code ?? 137, out, err }))
  })
}

/** Ends well, or the test fails with what was said. */
async function sallyport(line: string, input = ''): Promise<string> {
  const { code, out, err } = await shell(`sallyport ${line}`, input)
  if (code !== 0) throw new Error(`sallyport ${line} ended with ${code}: ${err}`)
  return out
}

const json = async <Value>(line: string, input = ''): Promise<Value> =>
  JSON.parse(await sallyport(`${line} --json`, input)) as Value
const lines = async <Value>(line: string): Promise<readonly Value[]> =>
  (await sallyport(`${line} --json`))
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Value)

beforeAll(async () => {
  installation = await installationForTest()
  files = await installation.manufactureDevice()
  device = await installation.runDevice(files)
  folder = mkdtempSync(join(tmpdir(), 'sallyport-cli-'))
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin', 'sallyport'), `#!/bin/sh\nexec '${command}' "$@"\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'password'), `${installation.admin.password}\n`, { mode: 0o600 })
  environment = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    SALLYPORT_SERVER: installation.http,
    LANG: 'C.UTF-8',
    TERM: 'xterm',
  }
  await sallyport(`login --email ${installation.admin.email} --password-file password`)
  await eventually('the device is online', async () => {
    const [found] = await lines<{ online: boolean }>('devices list')
    return found?.online === true
  })
})

afterAll(async () => {
  await installation?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

describe('[6.35] the command line, for people and for programs', () => {
  it('keeps the session where its owner alone can read it, and says who is logged in', async () => {
    expect(statSync(credentialsFile()).mode & 0o777).toBe(0o600)
    expect(readFileSync(credentialsFile(), 'utf8')).not.toContain(installation.admin.password)
    const person = await json<{ email: string; roles: string[] }>('whoami')
    expect(person).toMatchObject({ email: installation.admin.email, roles: ['owner'] })
    expect(await sallyport('whoami')).toContain(`e-mail        ${installation.admin.email}\n`)
  })

  it('makes an enrollment group, shows it, changes it and deletes it, once it is told that it may', async () => {
    await runProgram('certs', ['manufacturer', 'create', '--out', join(folder, 'ca'), '--name', 'My Factory'])
    const made = await json<{ id: string; name: string }>(
      "groups create --name 'My Factory' --certificate-chain ca/chain.pem",
    )
    expect(await sallyport('groups list')).toMatch(new RegExp(`^${made.id} {2}My Factory +active +`, 'm'))
    await sallyport("groups change 'My Factory' --state disabled")
    expect(await json(`groups show ${made.id}`)).toMatchObject({ state: 'disabled', name: 'My Factory' })

    const unsure = await shell("sallyport groups delete 'My Factory'")
    expect(unsure).toMatchObject({ code: 2, err: expect.stringContaining('--yes') })
    const dry = await json<{ dryRun: boolean }>("groups delete 'My Factory' --dry-run")
    expect(dry.dryRun).toBe(true)
    expect(await lines('groups list --name "My Factory"')).toHaveLength(1)
    await sallyport("groups delete 'My Factory' --yes")
    expect(await lines('groups list --name "My Factory"')).toHaveLength(0)
  })

  it('imports a folder of authorities, and once more without making anything twice', async () => {
    mkdirSync(join(folder, 'authorities'))
    for (const name of ['north', 'south']) {
      await runProgram('certs', ['manufacturer', 'create', '--out', join(folder, name), '--name', name])
      writeFileSync(join(folder, 'authorities', `${name}.pem`), readFileSync(join(folder, name, 'chain.pem')))
    }
    writeFileSync(join(folder, 'authorities', 'broken.pem'), 'no certificate')
    const first = await shell('sallyport groups import authorities')
    expect(first.code).toBe(1)
    expect(first.out).toMatch(/ {2}north\n.* {2}south\n/s)
    expect(first.err).toContain('broken.pem')
    expect(first.err).toContain('2 created, 0 there already, 1 refused, of 3.')
    rmSync(join(folder, 'authorities', 'broken.pem'))
    expect((await shell('sallyport groups import authorities')).err).toContain('0 created, 2 there already')
  })

  it('lists devices, sets a resource and reads it from the device', async () => {
    expect(await sallyport('devices list --online')).toMatch(new RegExp(`^${files.id} {2}.* yes `, 'm'))
    await sallyport(`devices rename ${files.id} Lamp`)
    await sallyport('devices label Lamp --set site:berlin --set floor:2')
    await sallyport('devices label Lamp --remove floor')
    expect(await lines('devices list --label site:berlin')).toMatchObject([
      { name: 'Lamp', labels: { site: 'berlin' } },
    ])
    await eventually('its resources are published', async () =>
      (await sallyport('devices resources Lamp')).includes('/light/1'),
    )

    expect(await json('devices set Lamp /light/1 state=true')).toMatchObject({ coapCode: '2.04' })
    expect(await json('devices get Lamp /light/1 --live')).toMatchObject({ representation: { state: true } })
    await sallyport('devices set Lamp /light/1 -', '{"state":false}')
    expect(await sallyport('devices get Lamp /light/1 --live')).toMatch(/^ {2}state +false$/m)
    const commands = await lines<{ state: string }>('devices commands Lamp --limit 2')
    expect(commands.map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])
  })

  it('follows what happens', async () => {
    const following = shell('sallyport events --device Lamp --topic resource.changed --count 1 --json')
    const switching = eventually('the feed saw the lamp', async () => {
      await sallyport('devices set Lamp /light/1 state=true')
      await sallyport('devices set Lamp /light/1 state=false')
      return Promise.race([
        following.then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 200, false)),
      ])
    })
    const { code, out } = await following
    await switching
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ topic: 'resource.changed', deviceId: files.id, data: { href: '/light/1' } })
  })

  it('shows the audit trail, and exports it to a file that others cannot read', async () => {
    const table = await sallyport('audit list --limit 200')
    const { id } = await json<{ id: string }>('whoami')
    expect(table).toMatch(
      new RegExp(`^[-0-9]{10} [:0-9]{8} {2}device\\.changed +succeeded +user ${id} +device ${files.id} `, 'm'),
    )
    const events = await lines<{ type: string; subject: { id: string } }>(`audit list --subject ${files.id}`)
    expect(events.some(({ type }) => type.startsWith('device.'))).toBe(true)
    await sallyport('audit export --out audit.ndjson')
    const file = join(folder, 'audit.ndjson')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await shell('sallyport audit export --out audit.ndjson')).code).toBe(1)
  })

  it('[6.32] proves an export without a server, and finds the line that was changed', async () => {
    const offline = { SALLYPORT_SERVER: 'http://localhost:9', XDG_CONFIG_HOME: join(folder, 'nobody') }
    const whole = await shell('sallyport audit verify audit.ndjson --json', '', offline)
    expect([whole.code, whole.err]).toEqual([0, ''])
    const report = JSON.parse(whole.out) as { events: number; keys: { spkiSha256: string }[] }
    expect(report.events).toBeGreaterThan(5)
    const key = report.keys[0]?.spkiSha256 ?? ''
    expect((await shell(`sallyport audit verify audit.ndjson --key ${key}`, '', offline)).out).toContain(
      `trusted key   ${key}`,
    )
    expect((await shell(`sallyport audit verify audit.ndjson --key ${'0'.repeat(64)}`, '', offline)).code).toBe(1)

    const exported = readFileSync(join(folder, 'audit.ndjson'), 'utf8')
    writeFileSync(join(folder, 'changed.ndjson'), exported.replace('device.changed', 'device.deleted'))
    const changed = await shell('sallyport audit verify changed.ndjson', '', offline)
    expect(changed.code).toBe(1)
    expect(changed.err).toMatch(/is not proven: event-changed at line \d+, entry \d+/)
    writeFileSync(join(folder, 'cut.ndjson'), exported.slice(0, exported.length / 2))
    expect((await shell('sallyport audit verify cut.ndjson', '', offline)).code).toBe(1)
    expect((await shell('sallyport audit verify missing.ndjson', '', offline)).code).toBe(2)
  })

  it('[1.7] makes an API key into a file, which a program uses until it is revoked', async () => {
    const early = await shell('sallyport keys create backup --scope devices:read --out backup.key')
    expect(early).toMatchObject({ code: 4, err: expect.stringContaining('sallyport verify-email') })
    expect(existsSync(join(folder, 'backup.key'))).toBe(false)
    await sallyport('verify-email')
    await sallyport('verify-email --token-file -', tokenIn(await mailTo(installation.admin.email)))
    const made = await json<{ id: string; prefix: string }>(
      'keys create backup --scope devices:read --days 1 --out backup.key',
    )
    expect(made).not.toHaveProperty('key')
    expect(statSync(join(folder, 'backup.key')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, 'backup.key'), 'utf8').startsWith(made.prefix)).toBe(true)
    const withKey = (line: string) =>
      shell(`sallyport ${line}`, '', { SALLYPORT_API_KEY_FILE: join(folder, 'backup.key') })
    expect((await withKey('devices list')).out).toContain(files.id)
    expect((await withKey('groups list')).code).toBe(4)
    expect(await sallyport('keys list')).toMatch(new RegExp(`^${made.id} {2}backup +active`, 'm'))
    await sallyport(`keys revoke ${made.id} --yes`)
    await eventually('the key is good for nothing', async () => (await withKey('devices list')).code === 3)
    expect((await shell('sallyport keys create backup --scope devices:read --out backup.key')).code).toBe(2)
  })

  it('goes on in another organization and comes back', async () => {
    const home = await json<{ id: string; name: string }>('org show')
    const made = await json<{ id: string }>("org create 'Acme Ltd.'")
    await sallyport("org switch 'Acme Ltd.'")
    expect(await json('org show')).toMatchObject({ id: made.id, name: 'Acme Ltd.' })
    expect(await lines('devices list')).toEqual([])
    await sallyport(`org switch ${home.id}`)
    expect(await sallyport('org list')).toMatch(new RegExp(`^${home.id} .* yes `, 'm'))
    expect((await shell('sallyport org switch nowhere')).code).toBe(5)
  })

  it('invites somebody, who joins and may do what the role allows and no more', async () => {
    await sallyport('org invite ada@example.com auditor')
    writeFileSync(join(folder, 'token'), tokenIn(await mailTo('ada@example.com')), { mode: 0o600 })
    await sallyport('org join ada --token-file token --password-file -', 'correct horse battery staple')
    expect(await sallyport('org members list')).toMatch(/ada@example\.com +ada +auditor/)
    await sallyport('login --profile ada --email ada --password-file -', 'correct horse battery staple')
    expect(await json('whoami --profile ada')).toMatchObject({ username: 'ada', roles: ['auditor'] })
    const refused = await shell(
      `sallyport --profile ada groups create --name x --certificate-chain ca/chain.pem --json`,
    )
    expect(refused.code).toBe(4)
    expect(JSON.parse(refused.err)).toMatchObject({ error: { code: 'permission-denied', exitCode: 4 } })
    await sallyport('org members set-roles ada operator member')
    expect(await json('org members show ada@example.com')).toMatchObject({ roles: ['member', 'operator'] })
    await sallyport('org members remove ada --yes')
    expect((await shell('sallyport --profile ada whoami')).code).toBe(3)
  })

  const mailTo = (address: string): Promise<string> =>
    eventually(`a mail to ${address}`, async () => {
      const mail = installation.mail.received.findLast(({ recipients }) => recipients.includes(address))?.mail.text
      return mail !== undefined && tokenIn(mail) !== '' && mail
    })
  const tokenIn = (text: string): string => /(?<![\w-])[\w-]{43}(?![\w-])/.exec(text)?.[0] ?? ''

  it.each([
    [2, 'devices list --limit many'],
    [2, 'devices'],
    [2, 'devices label Lamp --set nonsense'],
    [2, 'audit list --from yesterday'],
    [3, 'whoami --server http://localhost:9'],
    [5, 'devices show 0197a000-0000-7000-8000-000000000001'],
    [5, 'groups show nobody'],
    [6, 'org roles create auditor devices:read'],
    [7, 'login --profile nowhere --server http://localhost:9 --email a --password-file password'],
  ])('ends with %i for: %s', async (code, line) => {
    const said = await shell(`sallyport ${line}`)
    expect({ code: said.code, out: said.out, told: said.err !== '' }).toEqual({ code, out: '', told: true })
  })

  it('says why, what to do and the request, and no stack, when the password is wrong', async () => {
    const { code, err } = await shell('sallyport login --email nobody --password-file -', 'wrong')
    expect(code).toBe(3)
    expect(err).toMatch(/^sallyport: .+ \(invalid-credentials\)\n {2}request [0-9a-f-]{36}\n {2}Log in again/)
  })

  it('ends quietly when nobody reads on', async () => {
    const { out, err } = await shell('{ sallyport audit list --limit 0 --json; echo $? >&2; } | head -n 1')
    expect(JSON.parse(out)).toHaveProperty('id')
    // All of it may have fitted into the pipe before the reader went.
    expect(err).toMatch(/^(?:141|0)\n$/)
  })

  it('renews a session once for commands that run at the same time', async () => {
    const kept = JSON.parse(readFileSync(credentialsFile(), 'utf8')) as Record<string, { expiresAt: number }>
    const before = JSON.stringify(kept.default)
    writeFileSync(credentialsFile(), JSON.stringify({ ...kept, default: { ...kept.default, expiresAt: 0 } }))
    const all = await shell('for i in 1 2 3 4; do sallyport whoami --json > who.$i & done; wait; cat who.*')
    expect(all.out.match(/"email"/g)).toHaveLength(4)
    const after = JSON.stringify((JSON.parse(readFileSync(credentialsFile(), 'utf8')) as typeof kept).default)
    expect(after).not.toBe(before)
    await sallyport('whoami')
    expect(readdirSync(join(folder, 'config', 'sallyport')).sort()).toEqual(['config.json', 'credentials.json'])
  })

  it('sends the token of one server to no other', async () => {
    const { code, err } = await shell('sallyport whoami --server http://127.0.0.1:1')
    expect(code).toBe(3)
    expect(err).toContain('Not logged in at http://127.0.0.1:1')
  })

  it('refuses credentials that others can read', async () => {
    chmodSync(credentialsFile(), 0o640)
    const { code, err } = await shell('sallyport whoami')
    chmodSync(credentialsFile(), 0o600)
    expect(code).toBe(1)
    expect(err).toContain('chmod 600')
  })

  it('asks for the password on a terminal without showing it, and fits tables to it', async () => {
    // Of util-linux, which is on every Debian: a terminal of its own for the command.
    const typed = `stty cols 60; sallyport login --email ${installation.admin.email}; sallyport devices list; echo ended`
    const { out } = await shell(
      `{ sleep 2; printf '%s\\r' '${installation.admin.password}'; sleep 12; } | script -qfec "${typed}" /dev/null | sed '/ended/q'`,
    )
    expect(out).toContain('Password: ')
    expect(out).not.toContain(installation.admin.password)
    const row = out.split(/\r?\n/).find((line) => line.includes(files.id)) ?? ''
    expect(row).toContain('\x1b[32myes')
    // biome-ignore lint/complexity/useRegexLiterals: an escape sequence.
    expect(row.replace(new RegExp('\\x1b\\[\\d*m', 'g'), '').trimEnd().length).toBeLessThanOrEqual(60)
  })

  it('waits for a device that is away as long as it is told, and says that the command is pending', async () => {
    await device.stop()
    await eventually('the device is offline', async () => (await lines('devices list --no-online')).length > 0, 40_000)
    const { code, out, err } = await shell('sallyport devices set Lamp /light/1 state=true --wait 1 --json')
    expect(code).toBe(8)
    expect(JSON.parse(out)).toMatchObject({ state: 'pending' })
    expect(err).toContain('sallyport devices command')
    expect(await json('devices set Lamp /light/1 state=true --wait 0')).toMatchObject({ state: 'pending' })
  })

  it('ends the session at the server with the logout', async () => {
    const kept = JSON.parse(readFileSync(credentialsFile(), 'utf8')) as Record<string, { accessToken: string }>
    await sallyport('logout')
    expect((await shell('sallyport whoami')).code).toBe(3)
    expect(existsSync(credentialsFile()) && readFileSync(credentialsFile(), 'utf8')).not.toContain('accessToken')
    const answer = await fetch(`${installation.http}/api/v1/me`, {
      headers: { authorization: `Bearer ${kept.default?.accessToken}` },
    })
    expect(answer.status).toBe(401)
  })
})
