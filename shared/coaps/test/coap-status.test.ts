import { responseCodes } from '@sallyport/coap'
import { type ErrorCode, errorCatalogue } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { coapStatusOf } from '../src/index.ts'

const codes = Object.keys(errorCatalogue) as ErrorCode[]

describe('the CoAP status of an error', () => {
  it('is an error status, for each code there is', () => {
    for (const code of codes) {
      expect(Object.keys(responseCodes)).toContain(coapStatusOf[code])
      expect(coapStatusOf[code]).toMatch(/^[45]\./)
    }
  })

  it('is 5.xx where we or what we run on are to blame, and never where the caller is', () => {
    const wrong = codes.filter((code) => {
      const ours = errorCatalogue[code].blame === 'us' || errorCatalogue[code].blame === 'environment'
      return errorCatalogue[code].blame !== 'peer' && ours !== coapStatusOf[code].startsWith('5')
    })
    // The device that refused is to blame towards the one who asked for it.
    expect(wrong).toEqual(['device-refused'])
  })

  it('is what the design pins', () => {
    const pinned: Partial<Record<ErrorCode, string>> = {
      'onboarding-code-invalid': '4.01',
      'device-not-registered': '4.01',
      'device-token-invalid': '4.01',
      'device-id-claimed': '4.03',
      'device-blocked': '4.03',
      'enrollment-missing': '4.03',
      'device-id-mismatch': '4.00',
      'method-not-allowed': '4.05',
      'database-unavailable': '5.03',
      'hsm-unavailable': '5.03',
      overloaded: '5.03',
    }
    expect(coapStatusOf).toMatchObject(pinned)
  })
})
