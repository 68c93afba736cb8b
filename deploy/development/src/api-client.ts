/** The few calls of the HTTP API that a run makes as its own first customer. */

import { SetupFailure } from './failure.ts'

export interface ApiClient {
  /** The access token, for calls made otherwise. */
  readonly token: string
  readonly baseUrl: string
  get<T>(path: string): Promise<T>
  /** False for 404. */
  exists(path: string): Promise<boolean>
  post<T>(path: string, body: unknown): Promise<T>
}

/** @throws SetupFailure when the login is refused. */
export async function loginAsAdmin(baseUrl: string, admin: { email: string; password: string }): Promise<ApiClient> {
  const call = async <T>(method: string, path: string, body?: unknown, token?: string): Promise<T> => {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new SetupFailure(`${method} ${path} answered ${response.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text) as T
  }
  const login = await call<{ access_token: string }>('POST', '/api/v1/auth/login', {
    email: admin.email,
    password: admin.password,
  })
  return {
    token: login.access_token,
    baseUrl,
    get: (path) => call('GET', path, undefined, login.access_token),
    exists: async (path) => {
      const response = await fetch(`${baseUrl}${path}`, { headers: { authorization: `Bearer ${login.access_token}` } })
      await response.arrayBuffer()
      if (!response.ok && response.status !== 404) throw new SetupFailure(`GET ${path} answered ${response.status}`)
      return response.ok
    },
    post: (path, body) => call('POST', path, body, login.access_token),
  }
}
