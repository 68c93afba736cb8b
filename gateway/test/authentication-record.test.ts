import { clockFrom, later, minutes } from '@sallyport/clock'
import { createLogger } from '@sallyport/diagnostics'
import { describe, expect, it } from 'vitest'
import { authenticationRecord } from '../src/authentication-record.ts'
import type { DeviceAssociation } from '../src/device-request.ts'

const clock = clockFrom(() => Date.now())
const associationOf = (id: string): DeviceAssociation => ({
  id,
  identity: {
    deviceId: '00000000-0000-4000-8000-00000000000d',
    organizationId: 'o',
    certificateSha256: 'c',
    certificateSerial: '01',
    certificateNotAfter: later(clock.now(), minutes(60)),
  },
  remote: { address: '192.0.2.1', port: 1 },
  transport: 'dtls',
  cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8',
  openedAt: clock.now(),
  closed: false,
  send: () => {},
  close: () => {},
})

describe('the record of authentications', () => {
  it('[0.13] holds the first refusals of an association: one that only keeps asking does not fill the audit trail', async () => {
    const rows: string[] = []
    const record = authenticationRecord({
      auditEvents: { recordAuthentication: async ({ associationId }) => void rows.push(associationId ?? '') },
      log: createLogger({ service: 'gateway', level: 'silent' }),
    })
    const [flooding, other] = [associationOf('flooding'), associationOf('other')]
    for (let count = 0; count < 5000; count += 1) record.signInRefused(flooding, 'device-id-mismatch', 'x')
    record.signInRefused(other, 'device-token-invalid', 'y')
    await record.settled()
    expect(rows.filter((id) => id === 'flooding')).toHaveLength(10)
    expect(rows.filter((id) => id === 'other')).toHaveLength(1)
  })
})
