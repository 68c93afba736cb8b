import { readConfiguration } from '@sallyport/config'
import { describe, expect, it } from 'vitest'
import { dpsSettings, startDps } from '../src/index.ts'

const environment = {
  SALLYPORT_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
  SALLYPORT_SERVICE_CERTIFICATE: '/none/dps.pem',
  SALLYPORT_SERVICE_KEY: '/none/dps.key',
  SALLYPORT_SERVICE_CA: '/none/service-ca.pem',
  SALLYPORT_SERVER_CERTIFICATE: '/none/dps.pem',
  SALLYPORT_SERVER_KEY: '/none/dps.key',
  SALLYPORT_CONTROL_PLANE_URL: 'https://127.0.0.1:8443',
  SALLYPORT_AUTHORITIES_FILE: '/none/authorities.json',
  SALLYPORT_HSM_MODULE: '/usr/lib/softhsm/libsofthsm2.so',
  SALLYPORT_HSM_PIN_FILE: '/none/pin',
}

describe('the configuration of the dps', () => {
  it('is for production, with safe values, unless it says otherwise', () => {
    const configuration = readConfiguration(dpsSettings, environment)
    expect(configuration).toMatchObject({
      mode: 'production',
      coapsPort: 15684,
      hsmToken: 'ca',
      softwareToken: false,
      host: '127.0.0.1',
    })
  })

  it('refuses a token in files in production, before anything is opened', async () => {
    await expect(startDps(readConfiguration(dpsSettings, environment))).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('SALLYPORT_ALLOW_SOFTWARE_HSM'),
    })
  })

  it('names the file of authorities that is not there', async () => {
    const configuration = readConfiguration(dpsSettings, { ...environment, SALLYPORT_MODE: 'test' })
    await expect(startDps({ ...configuration, logLevel: 'silent' })).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining('/none/authorities.json'),
    })
  })
})
