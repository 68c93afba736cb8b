import { hasCode } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { describeConfiguration, readConfiguration, serviceSettings, setting, unknownVariables } from '../src/index.ts'

const declaration = {
  mode: serviceSettings.mode,
  port: setting({ name: 'SALLYPORT_COAPS_PORT', meaning: 'The port.', kind: 'port', default: 5684 }),
  lease: setting({ name: 'SALLYPORT_LEASE', meaning: 'The lease.', kind: 'duration', default: '15s' }),
  database: serviceSettings.databaseUrl,
  pin: setting({ name: 'SALLYPORT_PIN', meaning: 'The PIN.', kind: 'secret', optional: true }),
  batch: setting({ name: 'SALLYPORT_BATCH', meaning: 'Rows.', kind: 'integer', minimum: 1, maximum: 10, default: 5 }),
}
const enough = { SALLYPORT_DATABASE_URL: 'postgres://me:hunter2@db/sallyport' }

const failureOf = (environment: Record<string, string>): Error => {
  try {
    readConfiguration(declaration, environment)
  } catch (error) {
    if (hasCode(error, 'configuration-invalid')) return error
  }
  throw new Error('was not refused')
}

describe('readConfiguration', () => {
  it('gives typed values, and defaults for what is absent or empty', () => {
    const configuration = readConfiguration(declaration, { ...enough, SALLYPORT_LEASE: '2m', SALLYPORT_BATCH: '' })
    expect(configuration).toMatchObject({ mode: 'production', port: 5684, lease: 120_000, batch: 5, pin: undefined })
    expect(Object.isFrozen(configuration)).toBe(true)
  })

  it('names every wrong and every missing variable in one error, with what is allowed', () => {
    const { message } = failureOf({ SALLYPORT_COAPS_PORT: '70000', SALLYPORT_LEASE: 'soon', SALLYPORT_BATCH: '0x2' })
    expect(message).toContain('SALLYPORT_COAPS_PORT is "70000"; it must be a port from 0 to 65535')
    expect(message).toContain('SALLYPORT_LEASE is "soon"; it must be a duration')
    expect(message).toContain('SALLYPORT_BATCH is "0x2"; it must be a whole number from 1 to 10')
    expect(message).toContain('SALLYPORT_DATABASE_URL is missing')
  })

  it('shows no secret, neither in an error nor when the value is printed', () => {
    expect(failureOf({ SALLYPORT_DATABASE_URL: 'mysql://me:hunter2@db' }).message).not.toContain('hunter2')
    const configuration = readConfiguration(declaration, { ...enough, SALLYPORT_PIN: '1234' })
    expect(JSON.stringify(configuration.pin)).toBe('"[secret]"')
    expect(configuration.pin?.exposeText()).toBe('1234')
  })

  it('is in production mode unless another mode is asked for by its exact name', () => {
    expect(readConfiguration(declaration, enough).mode).toBe('production')
    expect(failureOf({ ...enough, SALLYPORT_MODE: 'Development' }).message).toContain('development, test, production')
  })

  it('refuses a declaration whose own default is not allowed', () => {
    expect(() => setting({ name: 'SALLYPORT_X', meaning: 'X.', kind: 'duration', default: 'long' })).toThrow(RangeError)
  })
})

describe('unknownVariables', () => {
  it('reports our variables that no setting knows, and nobody else’s', () => {
    const environment = { ...enough, SALLYPORT_COAP_PORT: '1', PATH: '/bin', SALLYPORT_HOME: '.dev' }
    expect(unknownVariables(declaration, environment)).toEqual(['SALLYPORT_COAP_PORT'])
  })
})

describe('describeConfiguration', () => {
  it('says of each variable what it means, what is allowed, and what holds when it is absent', () => {
    const described = new Map(describeConfiguration(declaration).map((entry) => [entry.name, entry]))
    expect(described.get('SALLYPORT_COAPS_PORT')).toMatchObject({ kind: 'port', default: '5684', meaning: 'The port.' })
    expect(described.get('SALLYPORT_DATABASE_URL')).toMatchObject({ kind: 'url', secret: true })
    expect(described.get('SALLYPORT_DATABASE_URL')).not.toHaveProperty('default')
    expect(described.get('SALLYPORT_PIN')).toMatchObject({ default: '', secret: true })
  })
})
