import { type Duration, instant, later } from '@sallyport/clock'
import { describe, expect, it } from 'vitest'
import { AcceptedCertificates, parseCertificate, validatePath } from '../src/index.ts'
import { at, day, device, intermediate, type Party, root } from './certificate-builder.ts'

const trusted = root()
const issuing = intermediate(trusted)
const anchors = [parseCertificate(trusted.der)]
const now = instant(at)

function judge(chain: readonly Party[], accepted: AcceptedCertificates, overrides = {}) {
  const input = { chain: chain.map(({ der }) => der), anchors, at: now, purpose: 'manufacturer-device' as const }
  return validatePath({ ...input, accepted, ...overrides })
}

describe('certificates that were accepted before', () => {
  it('lead to the same path, and are not parsed again', () => {
    const accepted = new AcceptedCertificates()
    const chain = [device(issuing), issuing, trusted]
    const [first, second] = [judge(chain, accepted), judge(chain, accepted)]
    expect(first).toMatchObject({ valid: true })
    expect(second).toEqual(first)
    expect(accepted.size).toBe(3)
    expect(second.valid && first.valid && second.path[0] === first.path[0]).toBe(true)
  })

  it('are refused once they have expired, lost their anchor, or are shown for another purpose', () => {
    const accepted = new AcceptedCertificates()
    const chain = [device(issuing), issuing]
    expect(judge(chain, accepted)).toMatchObject({ valid: true })
    const late = { at: later(now, (10_000 * day) as Duration) }
    expect(judge(chain, accepted, late)).toMatchObject({ code: 'certificate-expired' })
    expect(judge(chain, accepted, { anchors: [] })).toMatchObject({ code: 'certificate-authority-unknown' })
    const stranger = { anchors: [parseCertificate(root({ name: 'Root' }).der)] }
    expect(judge(chain, accepted, stranger)).toMatchObject({ valid: false })
    expect(judge(chain, accepted, { purpose: 'server' })).toMatchObject({ code: 'certificate-purpose-wrong' })
    expect(judge(chain, accepted)).toMatchObject({ valid: true })
  })

  it('an anchor that is presented is known by its bytes, and trusted no more for it', () => {
    const accepted = new AcceptedCertificates()
    expect(judge([device(issuing), issuing, trusted], accepted)).toMatchObject({ valid: true })
    expect(accepted.find(trusted.der)?.subject).toBe('CN=Root')
    const below = { anchors: [parseCertificate(root({ name: 'Other' }).der)] }
    expect(judge([device(issuing), issuing, trusted], accepted, below)).toMatchObject({ valid: false })
  })

  it('say nothing for a certificate that differs in any byte', () => {
    const accepted = new AcceptedCertificates()
    const leaf = device(issuing)
    expect(judge([leaf, issuing], accepted)).toMatchObject({ valid: true })
    for (let index = 0; index < leaf.der.length; index += 7) {
      const der = Uint8Array.from(leaf.der)
      der[index] = (der[index] as number) ^ 1
      expect(judge([{ ...leaf, der }, issuing], accepted), `byte ${index}`).toMatchObject({ valid: false })
    }
    expect(accepted.size).toBe(3)
  })

  it('are remembered only where the whole path was accepted, and no more of them than there is room for', () => {
    const accepted = new AcceptedCertificates(4)
    expect(judge([device(root())], accepted)).toMatchObject({ valid: false })
    expect(accepted.size).toBe(0)
    for (let count = 0; count < 8; count += 1) {
      expect(judge([device(issuing), issuing], accepted)).toMatchObject({ valid: true })
      expect(accepted.size).toBeLessThanOrEqual(4)
    }
    const none = new AcceptedCertificates(0)
    expect(judge([device(issuing), issuing], none)).toMatchObject({ valid: true })
    expect(none.size).toBe(0)
  })
})
