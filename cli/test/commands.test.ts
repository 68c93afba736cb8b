import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusal, run } from './scripted-terminal.ts'

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'sallyport-cli-unit-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const id = '0197a000-0000-7000-8000-000000000001'
const device = (name: string) => ({
  ...{ id, name, labels: {}, enrollmentGroupId: id, online: true, lastSeenAt: null },
  ...{ registeredAt: '2026-11-21T11:00:00Z', version: 1 },
})
const listed = (...items: object[]) => ({ 'GET /api/v1/devices?limit=200': { items, nextCursor: null } })

describe('a table', () => {
  it('shows what a terminal would obey, and does not send it', async () => {
    const evil = 'Lamp\x1b]0;pwned\x07\r\n\u009b31m\u202egnp.exe'
    const { out } = await run(['devices', 'list'], { home, answers: listed(device(evil)) })
    expect(out).toContain('Lamp\\u{1b}]0;pwned\\u{7}\\u{d}\\u{a}\\u{9b}31m\\u{202e}gnp.exe')
    expect(out.replaceAll('\n', '')).not.toMatch(/[\0-\x1f\x7f-\x9f\u202e]/)
  })

  it('is as wide as the terminal, wide characters counted as two, the least needed columns left out', async () => {
    const answers = listed(device('灯'.repeat(60)), device('short'))
    for (const columns of [60, 80, 120]) {
      const { out } = await run(['devices', 'list', '--no-color'], { home, answers, isTerminal: true, columns })
      const [header = '', wide = ''] = out.split('\n')
      expect(header.includes('LABELS')).toBe(columns > 60)
      expect(wide).toContain('…')
      expect(wide.length + (wide.match(/灯/g) ?? []).length).toBeLessThanOrEqual(columns)
    }
  })

  it('is whole where no terminal cuts it, and coloured only on one that wants it', async () => {
    const name = 'x'.repeat(300)
    const answers = listed(device(name))
    expect((await run(['devices', 'list'], { home, answers })).out).toContain(name)
    const coloured = async (args: string[], environment: Record<string, string> = {}, isTerminal = true) =>
      (await run(['devices', 'list', ...args], { home, answers, isTerminal, environment })).out.includes('\x1b[')
    expect(await coloured([])).toBe(true)
    expect(await coloured(['--no-color'])).toBe(false)
    expect(await coloured([], { NO_COLOR: '1' })).toBe(false)
    expect(await coloured([], { NO_COLOR: '' })).toBe(true)
    expect(await coloured([], { TERM: 'dumb' })).toBe(false)
    expect(await coloured([], {}, false)).toBe(false)
  })

  it('says so where there is nothing', async () => {
    const { out, err } = await run(['devices', 'list'], { home, answers: listed() })
    expect([out, err]).toEqual(['', 'No devices.\n'])
  })
})

describe('--json', () => {
  it('is one document a line for a list, from page to page, with nothing a terminal obeys', async () => {
    const answers = {
      'GET /api/v1/devices?limit=200': { items: [device('a\u009bb')], nextCursor: 'n' },
      'GET /api/v1/devices?cursor=n&limit=200': { items: [device('c')], nextCursor: null },
    }
    const { out } = await run(['devices', 'list', '--json'], { home, answers })
    expect(out).toContain('a\\u009bb')
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['a\u009bb', 'c'])
  })

  it('fetches no more than it is to show', async () => {
    const answers = { 'GET /api/v1/devices?limit=2': { items: [device('a'), device('b')], nextCursor: 'n' } }
    const { out, asked } = await run(['devices', 'list', '--json', '--limit', '2'], { home, answers })
    expect(out.trim().split('\n')).toHaveLength(2)
    expect(asked).toHaveLength(1)
  })

  it('is one document for a thing, and for an error on standard error', async () => {
    const answers = { [`GET /api/v1/devices/${id}`]: device('Lamp') }
    expect(JSON.parse((await run(['devices', 'show', id, '--json'], { home, answers })).out)).toEqual(device('Lamp'))
    const { out, err, code } = await run(['devices', 'show', id, '--json'], { home })
    expect([out, code]).toEqual(['', 5])
    expect(JSON.parse(err).error).toMatchObject({ code: 'not-found', correlationId: 'c-1', exitCode: 5 })
  })
})

describe('the exit code', () => {
  it.each([
    [2, 422, 'validation-failed'],
    [3, 401, 'token-expired'],
    [4, 403, 'permission-denied'],
    [5, 404, 'not-found'],
    [6, 409, 'conflict'],
    [6, 412, 'precondition-failed'],
    [8, 409, 'device-offline'],
    [8, 504, 'device-not-responding'],
    [1, 500, 'internal'],
    [1, 418, 'a-code-of-a-newer-server'],
  ])('is %i when the server answers %i %s', async (code, status, problem) => {
    const answers = { 'GET /api/v1/me': refusal(status, problem) }
    expect((await run(['whoami'], { home, answers })).code).toBe(code)
  })

  it('is 7 when something before the server answers', async () => {
    const answers = { 'GET /api/v1/me': new Response('<html>', { status: 502 }) }
    expect((await run(['whoami'], { home, answers })).code).toBe(7)
  })

  it('is said with the reason, the code and the request', async () => {
    const answers = { 'GET /api/v1/me': refusal(409, 'conflict', { details: { name: 'taken\x1b' } }) }
    const { err } = await run(['whoami'], { home, answers })
    expect(err).toBe('sallyport: The detail of conflict. (conflict)\n  name: taken\\u{1b}\n  request c-1\n')
  })
})

describe('what cannot be taken back', () => {
  const answers = { [`GET /api/v1/devices/${id}`]: device('Lamp'), [`DELETE /api/v1/devices/${id}`]: new Response() }
  const deletions = (asked: readonly { method: string }[]) => asked.filter(({ method }) => method === 'DELETE').length

  it.each([
    ['y', 1, 0],
    ['n', 0, 1],
    ['', 0, 1],
  ])('is asked for: %j', async (answer, done, code) => {
    const result = await run(['devices', 'delete', id], { home, answers, typed: [answer] })
    expect([deletions(result.asked), result.code]).toEqual([done, code])
    expect(result.err).toContain(`Really delete the device Lamp (${id})? [y/N]`)
  })

  it('wants --yes where nobody can be asked', async () => {
    const unsure = await run(['devices', 'delete', id], { home, answers })
    expect([deletions(unsure.asked), unsure.code]).toEqual([0, 2])
    const sure = await run(['devices', 'delete', id, '--yes'], { home, answers })
    expect([deletions(sure.asked), sure.code]).toEqual([1, 0])
  })

  it('is only said with --dry-run', async () => {
    const { asked, out } = await run(['devices', 'delete', id, '--dry-run', '--yes'], { home, answers })
    expect(deletions(asked)).toBe(0)
    expect(out).toBe(`Would delete the device Lamp (${id}).\n`)
  })
})

describe('a change', () => {
  it('is made again on what is there now when somebody was faster', async () => {
    let tries = 0
    const answers = {
      [`GET /api/v1/devices/${id}`]: device('Lamp'),
      get [`PATCH /api/v1/devices/${id}`]() {
        tries += 1
        return tries < 3 ? refusal(412, 'precondition-failed') : device('Door')
      },
    }
    const { code, asked } = await run(['devices', 'rename', id, 'Door'], { home, answers })
    expect([code, tries]).toEqual([0, 3])
    expect(asked.filter(({ method }) => method === 'GET')).toHaveLength(3)
  })

  it('of a thing by a name that two have is refused with their ids', async () => {
    const other = { ...device('Lamp'), id: id.replace(/1$/, '2') }
    const answers = { 'GET /api/v1/devices?limit=50&name=Lamp': { items: [device('Lamp'), other], nextCursor: null } }
    const { code, err } = await run(['devices', 'rename', 'Lamp', 'Door'], { home, answers })
    expect(code).toBe(2)
    expect(err).toContain(`${id}, ${other.id}`)
  })

  it.each([
    [['state=true', 'level=40', 'name=kitchen lamp'], { state: true, level: 40, name: 'kitchen lamp' }],
    [['{"state":true}'], { state: true }],
    [['[1,2]'], [1, 2]],
    [['-'], { from: 'input' }],
  ])('of a resource takes %j', async (values, body) => {
    const href = `PUT /api/v1/devices/${id}/resources/light%2F1`
    const answer = { href: '/light/1', representation: {}, coapCode: '2.04', commandId: id }
    const answers = { [`GET /api/v1/devices/${id}`]: device('Lamp'), [href]: answer }
    const script = { home, answers, input: '{"from":"input"}' }
    const { asked, code, err } = await run(['devices', 'set', id, '/light/1', ...values], script)
    expect([code, err]).toEqual([0, ''])
    expect(asked.at(-1)?.body).toEqual(body)
  })
})

describe('credentials', () => {
  const environment = { SALLYPORT_API_KEY: '' }
  const login = {
    'POST /api/v1/auth/login': {
      ...{ access_token: 'access', refresh_token: 'refresh', token_type: 'Bearer', expires_in: 300 },
      user: { id, email: 'ada@example.com', username: 'ada', organizationId: id, roles: ['owner'], permissions: [] },
    },
  }
  const file = () => join(home, '.config', 'sallyport', 'credentials.json')

  it('are asked for at a terminal and kept for their owner alone', async () => {
    const script = { home, environment, answers: login, typed: ['ada@example.com', 'secret'] }
    const { code, out, err, asked } = await run(['login'], script)
    expect(code).toBe(0)
    expect(asked[0]?.body).toEqual({ email: 'ada@example.com', password: 'secret' })
    expect(out + err).not.toContain('secret')
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, '.config', 'sallyport')).mode & 0o777).toBe(0o700)
    expect(readFileSync(file(), 'utf8')).not.toContain('secret')
  })

  it('that others could read or have written are not used', async () => {
    for (const mode of [0o644, 0o620, 0o601]) {
      chmodSync(file(), mode)
      const { code, err, asked } = await run(['whoami'], { home, environment })
      expect([code, asked.length]).toEqual([1, 0])
      expect(err).toContain('chmod 600')
    }
    chmodSync(file(), 0o600)
  })

  it('are sent to no other server, and their profile is not turned to one', async () => {
    const other = ['--server', 'https://other.example']
    const { code, asked } = await run(['whoami', ...other], { home, environment })
    expect([code, asked.length]).toEqual([3, 0])
    const again = await run(['login', ...other], { home, environment, typed: ['a', 'b'] })
    expect([again.code, again.asked.length]).toEqual([2, 0])
  })

  it.each(['http://sallyport.example', 'ftp://x', 'https://user:pass@x', 'https://x?a=b', 'x'])(
    'go to no address such as %s',
    async (server) => {
      const { code, asked } = await run(['login', '--server', server, '--profile', 'p'], { home, environment })
      expect([code, asked.length]).toEqual([2, 0])
    },
  )

  it('are never an argument, and need a file where nobody can be asked', async () => {
    expect((await run(['login', '--password', 'x'], { home, environment })).code).toBe(2)
    expect((await run(['login', '--email', 'a'], { home, environment })).code).toBe(2)
  })

  it('may be an API key in a file of its own, that nobody else can read', async () => {
    const key = join(home, 'key')
    writeFileSync(key, 'sp_key\n', { mode: 0o644 })
    const script = { home, environment: { ...environment, SALLYPORT_API_KEY_FILE: key } }
    expect((await run(['whoami'], script)).code).toBe(1)
    chmodSync(key, 0o400)
    expect((await run(['whoami'], script)).asked).toHaveLength(1)
  })
})
