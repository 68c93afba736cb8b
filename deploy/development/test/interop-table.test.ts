import { interopTable } from '@sallyport/development'
import { expect, it } from 'vitest'

const row = { peer: 'pion', version: '2.2.6', role: 'client', suite: 'CCM_8', credential: 'P-256' } as const

it('has one line for each peer, suite and credential, with all that happened to it', () => {
  const lines = interopTable([
    { ...row, met: 'dps', result: 'served' },
    { ...row, suite: 'GCM', met: 'dps', result: 'served' },
    { ...row, met: 'dps, expired', result: 'certificate_expired' },
    { ...row, met: 'dps', result: 'served' },
  ]).split('\n')
  expect(lines).toHaveLength(3)
  expect(lines[1]).toMatch(/^pion +2\.2\.6 +client +CCM_8 +P-256 +dps: served; dps, expired: certificate_expired$/)
})
