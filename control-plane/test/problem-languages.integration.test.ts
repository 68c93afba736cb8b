import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, RunningControlPlane, type Session } from './running-control-plane.ts'

let running: RunningControlPlane
let owner: Session
beforeAll(async () => {
  running = await RunningControlPlane.start()
  owner = await running.logIn()
})
afterAll(() => running.stop())

type Asking = (headers: Readonly<Record<string, string>>) => Promise<Answer>

/** What every problem says in every language, and the title and detail of each. */
async function inLanguages(ask: Asking): Promise<Readonly<Record<string, { title: string; detail: string }>>> {
  const english = await ask({})
  const said: Record<string, { title: string; detail: string }> = { en: english.body }
  expect(english.headers.get('content-language')).toBe('en')
  for (const language of ['de', 'fr', 'es']) {
    const { status, headers, body } = await ask({ 'accept-language': `${language}-XX, en;q=0.5` })
    expect(headers.get('content-language')).toBe(language)
    expect(headers.get('vary')).toContain('accept-language')
    expect([status, body.type, body.code]).toEqual([english.status, english.body.type, english.body.code])
    expect(body.title).not.toBe(english.body.title)
    expect(body.detail).not.toBe(english.body.detail)
    said[language] = body
  }
  return said
}

const withToken =
  (token: string): Asking =>
  (headers) =>
    running.call('GET', '/api/v1/me', { headers: { ...headers, authorization: `Bearer ${token}` } })

describe('a problem in the language that was asked for', () => {
  it('[1.10] tells of a wrong password, to whoever there is and whoever there is not', async () => {
    for (const username of [running.admin.username, 'nobody']) {
      const said = await inLanguages((headers) =>
        running.call('POST', '/api/v1/auth/login', { body: { username, password: 'wrong' }, headers }),
      )
      expect(said.de).toMatchObject({ title: 'Der Name oder das Passwort ist falsch.' })
      expect(said.fr).toMatchObject({ title: 'Le nom ou le mot de passe est faux.' })
      expect(said.es).toMatchObject({ title: 'El nombre o la contraseña no es correcto.' })
    }
  })

  it('[1.13] [1.19] tells of a token that is none', async () => {
    const said = await inLanguages(withToken('eyJhbGciOiJub25lIn0.e30.'))
    expect(said.de).toMatchObject({ title: 'Das Token ist ungültig.' })
  })

  it('[1.20] tells of a refresh that failed, and of one that another request has won', async () => {
    const failed = await inLanguages((headers) =>
      running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token: 'no such' }, headers }),
    )
    expect(failed.fr).toMatchObject({ title: 'Le jeton de renouvellement n’est pas valide.' })
    const { refreshToken: refresh_token } = await running.logIn()
    expect((await running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token } })).status).toBe(200)
    const superseded = await inLanguages((headers) =>
      running.call('POST', '/api/v1/auth/refresh', { body: { refresh_token }, headers }),
    )
    expect(superseded.de).toMatchObject({ detail: 'Eine andere Anfrage hat dieses Refresh-Token gerade verwendet.' })
  })

  it('[1.22] tells of the permission that is missing, by its name', async () => {
    const username = `member-${randomUUID()}`
    const password = 'a password of twelve or more'
    const { body } = await owner.call('POST', '/api/v1/invitations', {
      body: { email: `${username}@example.com`, roles: ['member'] },
    })
    await running.call('POST', '/api/v1/invitations/accept', { body: { token: body.token, username, password } })
    const member = await running.logIn({ username, password })
    const said = await inLanguages((headers) => member.call('GET', '/api/v1/members', { headers }))
    expect(said).toMatchObject({
      de: { detail: 'Die Berechtigung members:read fehlt.' },
      fr: { detail: 'La permission members:read manque.' },
      es: { detail: 'Falta el permiso members:read.' },
    })
  })

  it('[1.23] tells of a role that is not there', async () => {
    const said = await inLanguages((headers) =>
      owner.call('POST', '/api/v1/invitations', { body: { email: 'x@example.com', roles: ['no-such'] }, headers }),
    )
    expect(said.es).toMatchObject({ detail: 'No hay ningún rol no-such.' })
  })

  it('[1.24] tells of the policy that forbids it', async () => {
    const { body: me } = await owner.call('GET', '/api/v1/me')
    const said = await inLanguages((headers) => owner.call('DELETE', `/api/v1/members/${me.id}`, { headers }))
    expect(said.fr).toMatchObject({
      detail: 'Une organisation garde un propriétaire : nommez-en d’abord un autre.',
    })
  })

  it('tells of each field that is wrong', async () => {
    const said = await inLanguages((headers) => owner.call('GET', '/api/v1/devices?limit=0&stranger=1', { headers }))
    expect(said.de?.detail).toBe(
      'Die Abfrage ist nicht, wie sie sein soll: /stranger: ist hier nicht bekannt; /limit: muss >= 1 sein',
    )
  })

  it('is in a language that was asked for where it has no text of its own: the remedy of its code', async () => {
    const { headers, body } = await running.call('POST', '/api/v1/auth/login', {
      headers: { 'accept-language': 'de', 'content-type': 'text/plain' },
      body: 'x',
    })
    expect(headers.get('content-language')).toBe('de')
    expect(body.detail).toMatch(/^Senden Sie JSON/)
  })

  it('[1.18] tells of a token that has expired', async () => {
    await running.restart({ SALLYPORT_ACCESS_TOKEN_LIFETIME: '1s' })
    const { accessToken } = await running.logIn()
    await pause(2000)
    const ask = withToken(accessToken)
    await expect.poll(async () => (await ask({})).body.code, { timeout: 10_000 }).toBe('token-expired')
    const said = await inLanguages(ask)
    expect(said.es).toMatchObject({ title: 'El token ha caducado.' })
  })
})
