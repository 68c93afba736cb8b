import { days, instant, later } from '@sallyport/clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readEnrollmentChain } from '../src/route/enrollment-groups/enrollment-chain.ts'
import { TestCertificates } from './test-certificates.ts'

const certificates = new TestCertificates()
// The certificates are made after this line and are valid from the second they are made in.
const now = instant(Date.now() + 60_000)

beforeAll(() => {
  certificates
    .root('Root')
    .intermediate('Intermediate', 'Root')
    .intermediate('Issuing', 'Intermediate')
    .root('Other Root')
    .root('Forged', 'Root')
    .root('Weak', 'Weak', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'])
    .intermediate('No Signer', 'Root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature')
    .leaf('device', 'Issuing')
})
afterAll(() => certificates.remove())

const read = (pem: string, lead?: string, at = now) => readEnrollmentChain(pem, lead, at)
const refused = (pem: string, lead?: string, at = now): unknown => {
  try {
    return read(pem, lead, at)
  } catch (error) {
    return error
  }
}

describe('the chain of an enrollment group', () => {
  it('[4.2] leads with the first certificate unless another is named', () => {
    const pem = certificates.pem('Issuing', 'Intermediate', 'Root')
    const leads = (name?: string) => read(pem, name).authorities.map(({ isLead }) => isLead)
    expect(read(pem).leadCertificateName).toBe('Issuing')
    expect(leads()).toEqual([true, false, false])
    expect(leads('Intermediate')).toEqual([false, true, false])
  })

  it('may end below its root, which the manufacturer keeps', () => {
    expect(read(certificates.pem('Issuing', 'Intermediate')).authorities).toHaveLength(2)
    expect(read(certificates.pem('Root')).authorities).toHaveLength(1)
  })

  it.each([
    ['no certificate', () => 'hello', 'certificate-malformed', /no PEM certificate/],
    ['half a certificate', () => certificates.pem('Root').slice(0, 300), 'certificate-malformed', /./],
    [
      'a device’s certificate',
      () => certificates.pem('device', 'Issuing'),
      'certificate-purpose-wrong',
      /Certificate 1 .*CN=device.* not a certificate authority/,
    ],
    [
      'an authority that may not sign certificates',
      () => certificates.pem('No Signer', 'Root'),
      'certificate-purpose-wrong',
      /Certificate 1 .*keyCertSign/,
    ],
    [
      'an authority with a key that the handshake would refuse',
      () => certificates.pem('Weak'),
      'certificate-key-unsupported',
      /Certificate 1 .*RSA of 1024 bits/,
    ],
    [
      'a gap',
      () => certificates.pem('Issuing', 'Root'),
      'certificate-authority-unknown',
      /Certificate 1 .*issued by CN=Intermediate.*next certificate is CN=Root/,
    ],
    [
      'an issuer of the same name with another key',
      () => certificates.pem('Intermediate', 'Forged'),
      'certificate-signature-invalid',
      /Certificate 1 .*not signed by the key of the next/,
    ],
    [
      'the wrong order',
      () => certificates.pem('Root', 'Intermediate'),
      'certificate-authority-unknown',
      /Certificate 1/,
    ],
    [
      'a stranger at its end',
      () => certificates.pem('Intermediate', 'Root', 'Other Root'),
      'certificate-authority-unknown',
      /Certificate 2/,
    ],
    ['a certificate twice', () => certificates.pem('Root', 'Root'), 'validation-failed', /twice/],
    [
      'a private key in it',
      () => certificates.key('Root') + certificates.pem('Root'),
      'validation-failed',
      /private key/,
    ],
  ])('[4.2] refuses %s, and says which certificate is wrong', (_what, pem, code, message) => {
    expect(refused(pem())).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  it('[4.2] refuses a lead that is not in the chain, and lists what is', () => {
    expect(refused(certificates.pem('Issuing', 'Intermediate'), 'Root')).toMatchObject({
      code: 'validation-failed',
      message: expect.stringContaining('Issuing, Intermediate'),
    })
  })

  it('[4.2] refuses what has expired and what is not valid yet', () => {
    expect(refused(certificates.pem('Root'), undefined, later(now, days(3)))).toMatchObject({
      code: 'certificate-expired',
    })
    expect(refused(certificates.pem('Root'), undefined, instant(now - days(1)))).toMatchObject({
      code: 'certificate-not-yet-valid',
    })
  })

  it('refuses more certificates than a path may have', () => {
    expect(refused(certificates.pem(...Array.from({ length: 9 }, () => 'Root')))).toMatchObject({
      code: 'certificate-path-too-long',
    })
  })
})
