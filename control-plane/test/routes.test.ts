import { readFileSync } from 'node:fs'
import { permissions } from '@sallyport/fleet'
import { describe, expect, it } from 'vitest'
import { openApiDocument, publicRoutes } from '../src/open-api-document.ts'

describe('the routes of the public API', () => {
  it('declare a known permission each, but for those that are open on purpose', async () => {
    const open: string[] = []
    for (const { method, url, access } of await publicRoutes()) {
      expect(access, `${method} ${url}`).toBeDefined()
      if (access?.kind === 'permission') expect(permissions, `${method} ${url}`).toContain(access.permission)
      else if (!url.startsWith('/docs')) open.push(`${access?.kind}: ${method} ${url}`)
    }
    expect(open.sort()).toEqual([
      'public: GET /.well-known/jwks.json',
      'public: GET /api/v1/asyncapi.json',
      'public: GET /api/v1/socket',
      'public: GET /openapi.json',
      'public: POST /api/v1/auth/login',
      'public: POST /api/v1/auth/refresh',
      'public: POST /api/v1/auth/verify-email',
      'public: POST /api/v1/invitations/accept',
      'signed-in: GET /api/v1/me',
      'signed-in: GET /api/v1/notification-preferences',
      'signed-in: GET /api/v1/notifications',
      'signed-in: GET /api/v1/notifications/unread-count',
      'signed-in: GET /api/v1/organizations',
      'signed-in: PATCH /api/v1/notification-preferences',
      'signed-in: POST /api/v1/auth/logout',
      'signed-in: POST /api/v1/auth/organization',
      'signed-in: POST /api/v1/auth/reauthenticate',
      'signed-in: POST /api/v1/me/email-verification',
      'signed-in: POST /api/v1/notifications/:notificationId/read',
      'signed-in: POST /api/v1/notifications/read',
      'signed-in: POST /api/v1/organizations',
      'signed-in: POST /api/v1/organizations/join',
      'signed-in: POST /api/v1/socket/tickets',
    ])
  })

  it('change nothing under a reading permission', async () => {
    for (const { method, url, access } of await publicRoutes()) {
      if (access?.kind !== 'permission' || !access.permission.endsWith(':read')) continue
      expect(method, url).toBe('GET')
    }
  })
})

describe('control-plane/openapi.json', () => {
  it('is the document of the routes as they are (make docs writes it anew)', async () => {
    const checkedIn: unknown = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'))
    expect(JSON.parse(JSON.stringify(await openApiDocument()))).toEqual(checkedIn)
  })

  it('is OpenAPI 3.1 with an operation id for each operation, all different', async () => {
    const document = JSON.parse(JSON.stringify(await openApiDocument()))
    expect(document.openapi).toBe('3.1.0')
    const operations = Object.values<Record<string, { operationId?: string }>>(document.paths).flatMap((path) =>
      Object.values(path),
    )
    const ids = operations.map(({ operationId }) => operationId)
    expect(ids).not.toContain(undefined)
    expect(new Set(ids).size).toBe(ids.length)
    expect(JSON.stringify(document)).not.toContain('/internal/')
  })
})
