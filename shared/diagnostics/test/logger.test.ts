import { SecretBytes } from '@sallyport/bytes'
import { CodedError } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { createLogger, withCorrelation } from '../src/index.ts'

const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkZXZpY2UifQ.c2lnbmF0dXJl'

function logged(write: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = []
  write(createLogger({ service: 'gateway', level: 'info', destination: { write: (line) => void lines.push(line) } }))
  return lines.join('')
}

describe('createLogger', () => {
  it('writes one JSON object per line, with service, level and correlation', () => {
    const line = logged((logger) =>
      withCorrelation(logger, { correlationId: 'c-1', association: 'a-1', deviceId: 'd-1' }).info(
        { code: '2.04' },
        'signed in',
      ),
    )
    expect(JSON.parse(line)).toMatchObject({
      service: 'gateway',
      level: 'info',
      correlationId: 'c-1',
      association: 'a-1',
      deviceId: 'd-1',
      code: '2.04',
      msg: 'signed in',
    })
  })

  it('shows no secret: by name at any depth, by form in any text, in errors and their causes, in bindings', () => {
    const cause = Object.assign(new Error('connect postgres://me:hunter2@db/x failed'), { parameters: ['hunter2'] })
    const text = logged((logger) => {
      logger.info({ request: { body: [{ accesstoken: 'canary-1', deep: { refreshToken: 'canary-2' } }] } }, 'one')
      logger.info({ note: `bearer ${jwt}`, pin: SecretBytes.fromText('canary-3'), bytes: new Uint8Array(4) }, 'two')
      logger.error({ err: new CodedError('database-unavailable', 'no database', { cause }) }, 'three')
      logger.child({ password: 'canary-4' }).info({}, 'four')
      logger.info({ key: '-----BEGIN PRIVATE KEY-----\ncanary-5\n-----END PRIVATE KEY-----' }, 'five')
    })
    expect(text).not.toMatch(/canary|hunter2|c2lnbmF0dXJl/)
    expect(text).toContain('"code":"database-unavailable"')
    expect(text).toContain('postgres://me:[redacted]@db/x')
  })

  it('survives a structure without end', () => {
    const loop: Record<string, unknown> = {}
    loop.again = loop
    expect(logged((logger) => logger.info({ loop }, 'loop'))).toContain('[deeper]')
  })
})
