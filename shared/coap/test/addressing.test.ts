/** Routes, links, problem details: what a path leads to and what it says of itself. */

import { describe, expect, it } from 'vitest'
import { encodeLinks, problemDetails, ResourceRouter } from '../src/index.ts'

describe('the router', () => {
  const routerOf = (...patterns: readonly string[]) => {
    const router = new ResourceRouter<string>()
    for (const pattern of patterns) router.add(pattern, pattern)
    return (path: string) => router.find(path.split('/').slice(1))
  }

  it('prefers a literal to a parameter and a parameter to a rest, and comes back from a dead end', () => {
    const find = routerOf('/a/{x}', '/a/b', '/a/{y*}', '/a/b/c/d')
    expect(find('/a/b')).toEqual({ resource: '/a/b', parameters: {} })
    expect(find('/a/z')).toEqual({ resource: '/a/{x}', parameters: { x: 'z' } })
    expect(find('/a/b/c')).toEqual({ resource: '/a/{y*}', parameters: { y: 'b/c' } })
    expect(find('/a/b/c/d')?.resource).toBe('/a/b/c/d')
    expect(find('/b')).toBeUndefined()
  })

  it('captures parameters in the middle and the rest at the end', () => {
    const find = routerOf('/api/v1/devices/{deviceId}/{href*}', '/api/v1/devices/{deviceId}')
    expect(find('/api/v1/devices/d1/oic/res/')?.parameters).toEqual({ deviceId: 'd1', href: 'oic/res/' })
    expect(find('/api/v1/devices/d1')?.parameters).toEqual({ deviceId: 'd1' })
    expect(find('/api/v1/devices')).toBeUndefined()
  })

  it('is not led astray by names of object properties', () => {
    const find = routerOf('/a/{x}')
    for (const name of ['__proto__', 'constructor', 'toString']) expect(find(`/a/${name}`)?.parameters.x).toBe(name)
    expect(find('/constructor')).toBeUndefined()
  })

  it('refuses what is no pattern, and what is there already', () => {
    const router = new ResourceRouter<number>()
    router.add('/a', 1)
    for (const pattern of ['a', '/a', '/{x', '/x}y', '/{x*}/y', '/{}']) {
      expect(() => router.add(pattern, 2)).toThrow(RangeError)
    }
  })
})

describe('[6.8] links (RFC 6690)', () => {
  const text = (...options: Parameters<typeof encodeLinks>) => Buffer.from(encodeLinks(...options)).toString()

  it('encodes what a target may not hold, and keeps what it may', () => {
    expect(text([{ path: '/a b/<x>/é:@' }])).toBe('</a%20b/%3Cx%3E/%C3%A9:@>')
  })

  it('joins values by spaces and quotes text', () => {
    expect(text([{ path: '/s', rt: ['a', 'b'], ct: [60], title: 'a "b" \\' }])).toBe(
      '</s>;rt="a b";ct=60;title="a \\"b\\" \\\\"',
    )
  })

  it('takes several filters together', () => {
    const links = [
      { path: '/1', rt: 'x', ct: [60] },
      { path: '/2', rt: 'x', ct: [50] },
    ]
    expect(
      text(links, [
        { name: 'rt', value: 'x' },
        { name: 'ct', value: '50' },
      ]),
    ).toBe('</2>;rt="x";ct=50')
    expect(text(links, [{ name: 'unknown', value: '' }])).toBe('')
  })
})

describe('[6.8] concise problem details (RFC 9290)', () => {
  it('are a CBOR map of title, detail and our code', () => {
    const hex = Buffer.from(problemDetails('not-found', 'no such thing')).toString('hex')
    const title = Buffer.from('There is nothing at this address.').toString('hex')
    const detail = Buffer.from('no such thing').toString('hex')
    const code = `${Buffer.from('dcode').toString('hex')}69${Buffer.from('not-found').toString('hex')}`
    expect(hex).toBe(`a3207821${title}216d${detail}${code}`)
  })

  it('cut a long detail at a character', () => {
    const bytes = Buffer.from(problemDetails('internal', 'ä'.repeat(400)))
    expect(bytes.includes(Buffer.from('ä'.repeat(250)))).toBe(true)
    expect(bytes.includes(Buffer.from('ä'.repeat(251)))).toBe(false)
    expect(bytes.toString('utf8')).not.toContain('\ufffd'.repeat(3))
  })

  it('leave the detail out where there is none', () => {
    expect(problemDetails('not-found', '')[0]).toBe(0xa2)
  })
})
