import { describe, expect, it } from 'vitest'
import { inheritedSockets } from '../src/inherited-sockets.ts'

const read = (over: Readonly<Record<string, string>>) =>
  inheritedSockets({ LISTEN_PID: '77', LISTEN_FDS: '1', LISTEN_FDNAMES: 'coaps', ...over }, 77)

describe('inheritedSockets', () => {
  it('numbers descriptors from 3', () => {
    expect(read({})).toEqual({ coaps: 3 })
    expect(read({ LISTEN_FDS: '0', LISTEN_FDNAMES: '' })).toEqual({})
    expect(read({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'coaps+tcp:coaps' })).toEqual({ coapsTcp: 3, coaps: 4 })
  })

  it('takes nothing that was meant for another process', () => {
    expect(read({ LISTEN_PID: '78' })).toEqual({})
    expect(inheritedSockets({ LISTEN_FDS: '1', LISTEN_FDNAMES: 'coaps' }, 77)).toEqual({})
    expect(inheritedSockets({}, 77)).toEqual({})
  })

  it.each([
    ['a socket without a name', { LISTEN_FDNAMES: '' }],
    ['a name of systemd’s own making', { LISTEN_FDNAMES: 'gateway.socket' }],
    ['one name twice', { LISTEN_FDS: '2', LISTEN_FDNAMES: 'coaps:coaps' }],
    ['fewer names than sockets', { LISTEN_FDS: '2' }],
    ['no number', { LISTEN_FDS: 'two' }],
    ['an absurd number', { LISTEN_FDS: '100000' }],
    ['a negative number', { LISTEN_FDS: '-1' }],
    ['a name of the object’s own', { LISTEN_FDNAMES: 'constructor' }],
  ])('refuses %s', (_what, over) => {
    expect(() => read(over)).toThrow(expect.objectContaining({ code: 'configuration-invalid' }))
  })
})
