import { CodedError, errorCatalogue, hasCode } from '@sallyport/errors'
import { expect, it } from 'vitest'

it.each(Object.entries(errorCatalogue))(
  '%s says what is wrong and what to do, each in a sentence',
  (code, { title, remedy }) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
    for (const sentence of [title, remedy]) expect(sentence).toMatch(/^[A-Z].*\.$/)
  },
)

it('an error carries its code, the blame of the catalogue, its details and its cause', () => {
  const cause = new Error('below')
  const error = new CodedError('device-offline', 'the device is offline', { cause, details: { deviceId: 'd' } })
  expect(error).toMatchObject({ code: 'device-offline', blame: 'environment', details: { deviceId: 'd' }, cause })
  expect(hasCode(error, 'not-found', 'device-offline')).toBe(true)
  expect(hasCode(error, 'not-found')).toBe(false)
})
