import { toBase64Url, utf8 } from '@sallyport/bytes'
import { instant, milliseconds } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import { describe, expect, it } from 'vitest'
import { PskLookup } from '../src/psk-lookup.ts'

const key = new Uint8Array(16).fill(7)
const known = { found: true, deviceId: 'd', organizationId: 'o', key: toBase64Url(key) }

function lookUp(answer: () => unknown = () => known) {
  const time = { now: 0 }
  const asked: unknown[] = []
  const lookup = new PskLookup({
    controlPlane: {
      request: async ({ path, json }) => {
        asked.push([path, json])
        return { status: 200, body: await answer() }
      },
    },
    clock: { now: () => instant(time.now) },
    answersAfter: milliseconds(0),
  })
  const find = (identity = 'lamp') => lookup.find(utf8(identity), { address: '::1', port: 1 })
  return { lookup, find, asked, time }
}

describe('[6.5] the look-up of a pre-shared key', () => {
  it('asks the control plane with the identity in the body, and remembers the answer for 5 s', async () => {
    const { find, asked, time } = lookUp()
    expect(await find()).toMatchObject({ key, identity: { deviceId: 'd', organizationId: 'o' } })
    expect(asked).toEqual([['/internal/v1/psk-lookup', { identity: toBase64Url(utf8('lamp')) }]])
    time.now = 4999
    await find()
    expect(asked).toHaveLength(1)
    time.now = 5000
    await find()
    expect(asked).toHaveLength(2)
  })

  it('remembers as well that there is no key: who asks twice learns nothing from the second time', async () => {
    const { find, asked } = lookUp(() => ({ found: false, code: 'psk-identity-unknown' }))
    expect(await find()).toMatchObject({ refused: 'psk-identity-unknown' })
    expect(await find()).toMatchObject({ refused: 'psk-identity-unknown' })
    expect(asked).toHaveLength(1)
  })

  it('every answer takes its time, remembered or not', async () => {
    const { find } = lookUp()
    await find()
    const slow = new PskLookup({
      controlPlane: { request: async () => ({ status: 200, body: known }) },
      clock: { now: () => instant(0) },
      answersAfter: milliseconds(50),
    })
    for (let time = 0; time < 2; time += 1) {
      const before = performance.now()
      await slow.find(utf8('lamp'), { address: '::1', port: 1 })
      expect(performance.now() - before).toBeGreaterThanOrEqual(45)
    }
  })

  it('forgets a device at its revocation, what was under way then included', async () => {
    const { find, lookup, asked } = lookUp()
    await find()
    lookup.forget('another')
    await find()
    expect(asked).toHaveLength(1)
    lookup.forget('d')
    await find()
    expect(asked).toHaveLength(2)
    const gate = Promise.withResolvers<unknown>()
    const late = lookUp(() => gate.promise)
    const underWay = late.find()
    late.lookup.forget('d')
    gate.resolve(known)
    await underWay
    await late.find()
    expect(late.asked).toHaveLength(2)
  })

  it('lets nobody in by an answer that makes no sense, and says nothing of it', async () => {
    for (const answer of [
      undefined,
      {},
      { ...known, key: '!!' },
      { found: false, code: 'invented' },
      { found: true },
    ]) {
      const failed = await lookUp(() => answer)
        .find()
        .catch((error: unknown) => error)
      expect(failed).toBeInstanceOf(CodedError)
      expect(failed).toMatchObject({ code: 'dependency-unavailable' })
      expect(String(failed)).not.toContain('!!')
    }
  })
})
