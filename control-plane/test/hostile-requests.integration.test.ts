/** F39: what a caller who does not keep to HTTP sends on a socket of its own, and what the control plane as it runs makes of it. */

import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

const connectionsPerNetwork = 40
let running: RunningControlPlane
let session: Session

beforeAll(async () => {
  running = await RunningControlPlane.start({ SALLYPORT_CONNECTIONS_PER_NETWORK: String(connectionsPerNetwork) })
  session = await running.logIn()
})
afterAll(() => running.stop())

const port = (): number => Number(new URL(running.controlPlane.addresses.http).port)

interface Exchange {
  readonly answer: string
  /** Milliseconds until the connection ended; undefined when the test ended it. */
  readonly closedAfter: number | undefined
}

/** Sends the texts as they are, and takes what comes until the server closes, or for so long. */
function exchange(texts: readonly (string | Uint8Array)[], patience = 3000): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    let answer = ''
    let given = false
    const socket = connect(port(), '127.0.0.1', () => {
      for (const text of texts) socket.write(text)
    })
    const timer = setTimeout(() => {
      given = true
      socket.destroy()
    }, patience)
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ answer, closedAfter: given ? undefined : performance.now() - start })
    })
  })
}

const head = (line: string, ...fields: readonly string[]): string =>
  [line, 'Host: a', `Authorization: Bearer ${session.accessToken}`, ...fields, '', ''].join('\r\n')
const role = '{"name":"smuggled","permissions":[]}'
const json = 'Content-Type: application/json'
const statuses = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status ?? '')
const smuggled = async () => (await session.call('GET', '/api/v1/roles/smuggled')).status

describe('F39: a request of two lengths', () => {
  it.each([
    ['Content-Length and Transfer-Encoding', ['Content-Length: 4', 'Transfer-Encoding: chunked']],
    ['Transfer-Encoding and Content-Length', ['Transfer-Encoding: chunked', 'Content-Length: 4']],
    ['two Content-Lengths that differ', [`Content-Length: ${role.length}`, 'Content-Length: 5']],
    ['two Content-Lengths that are the same', [`Content-Length: ${role.length}`, `Content-Length: ${role.length}`]],
    ['a list of Content-Lengths', [`Content-Length: ${role.length}, ${role.length}`]],
    ['a signed Content-Length', [`Content-Length: +${role.length}`]],
    ['a hexadecimal Content-Length', ['Content-Length: 0x24']],
    ['a transfer coding that is not chunked', ['Transfer-Encoding: identity']],
    ['chunked that is not the last coding', ['Transfer-Encoding: chunked, identity']],
    ['a hidden Transfer-Encoding', ['Transfer-Encoding : chunked']],
    ['a folded Transfer-Encoding', ['Transfer-Encoding:', ' chunked']],
  ])('is refused and its connection closed: %s', async (_what, fields) => {
    const hidden = head('POST /api/v1/roles HTTP/1.1', json, `Content-Length: ${role.length}`) + role
    const { answer, closedAfter } = await exchange([head('POST /api/v1/roles HTTP/1.1', json, ...fields), hidden])
    expect(statuses(answer)).toEqual(['400'])
    expect(answer).toContain('"code":"malformed-request"')
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff')
    expect(closedAfter).toBeDefined()
    expect(await smuggled()).toBe(404)
  })

  it('is not made by a chunk whose size lies', async () => {
    const { answer } = await exchange([
      head('POST /api/v1/roles HTTP/1.1', json, 'Transfer-Encoding: chunked'),
      `1ffffffffffffffff\r\n${role}\r\n0\r\n\r\n`,
    ])
    expect(statuses(answer)).toEqual(['400'])
    expect(await smuggled()).toBe(404)
  })
})

describe('F39: too much', () => {
  it('of headers (100 KB) is answered 431', async () => {
    const { answer, closedAfter } = await exchange([head('GET /api/v1/me HTTP/1.1', `X: ${'a'.repeat(100_000)}`)])
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*"code":"request-too-large"/s)
    expect(closedAfter).toBeDefined()
  })

  it('of header fields (5000) is answered 431', async () => {
    const fields = Array.from({ length: 5000 }, (_, index) => `x${index}: a`)
    expect((await exchange([head('GET /api/v1/me HTTP/1.1', ...fields)])).answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('of an address (20 KB) is refused', async () => {
    const { answer } = await exchange([head(`GET /api/v1/devices?name=${'a'.repeat(20_000)} HTTP/1.1`)])
    expect(statuses(answer)).toEqual(['431'])
  })

  it('of a body is answered 413 before it has come', async () => {
    const { answer } = await exchange([head('POST /api/v1/roles HTTP/1.1', json, 'Content-Length: 1000000000'), '{'])
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*"code":"request-too-large"/s)
  })

  it('of a chunked body is answered 413', async () => {
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
    const { answer } = await exchange([
      head('POST /api/v1/roles HTTP/1.1', json, 'Transfer-Encoding: chunked'),
      ...Array<string>(8).fill(chunk),
    ])
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  it.each(['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x-gzip'])(
    'in a small body (Content-Encoding %s, a bomb) is not even read: 415, and what to do',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20), { level: 9 })
      const fields = [json, `Content-Encoding: ${encoding}`, `Content-Length: ${bomb.length}`]
      const memory = process.memoryUsage().rss
      const { answer } = await exchange([head('POST /api/v1/roles HTTP/1.1', ...fields), bomb])
      expect(answer).toMatch(/^HTTP\/1\.1 415 .*Send the body without a content encoding\./s)
      expect(process.memoryUsage().rss - memory).toBeLessThan(40_000_000)
    },
  )

  it('of connections from one network are closed unanswered, and the others served on', async () => {
    const open: Socket[] = []
    const closed: Socket[] = []
    for (let index = 0; index < connectionsPerNetwork + 20; index += 1) {
      const socket = connect(port(), '127.0.0.1')
      socket.on('error', () => {})
      socket.once('close', () => closed.push(socket))
      open.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
    }
    await expect.poll(() => closed.length, { timeout: 3000 }).toBeGreaterThanOrEqual(20)
    const metrics = await (await fetch(`${running.controlPlane.addresses.management}/metrics`)).text()
    expect(metrics).toMatch(/sallyport_http_connections_refused_total{.*listener="public".*} \d\d/)
    for (const socket of open) socket.destroy()
    await expect
      .poll(async () => (await exchange([head('GET /api/v1/me HTTP/1.1', 'Connection: close')])).answer)
      .toMatch(/^HTTP\/1\.1 200 /)
  })

  it('in one go (200 requests pipelined) is answered in order', async () => {
    const requests = Array.from({ length: 200 }, (_, index) =>
      head(
        `GET ${index % 2 === 0 ? '/api/v1/me' : '/nothing'} HTTP/1.1`,
        ...(index === 199 ? ['Connection: close'] : []),
      ),
    )
    const { answer } = await exchange([requests.join('')], 20_000)
    expect(statuses(answer)).toEqual(requests.map((_, index) => (index % 2 === 0 ? '200' : '404')))
  })
})

describe('F39: another HTTP', () => {
  it('1.0 is answered, and its connection closed', async () => {
    const { answer, closedAfter } = await exchange([head('GET /api/v1/me HTTP/1.0')])
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(closedAfter).toBeDefined()
  })

  it.each([
    ['2.0', 'GET /api/v1/me HTTP/2.0'],
    ['0.9', 'GET /api/v1/me'],
    ['9.9', 'GET /api/v1/me HTTP/9.9'],
    ['none', 'hello'],
  ])('%s is refused', async (_version, line) => {
    expect(statuses((await exchange([head(line)])).answer)).toEqual(['400'])
  })

  it('without Host is refused, and with two', async () => {
    for (const text of ['GET /api/v1/me HTTP/1.1\r\n\r\n', 'GET /api/v1/me HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n']) {
      expect(statuses((await exchange([text])).answer)[0]).toBe('400')
    }
  })

  it('Expect: 100-continue is told to go on, and an unknown expectation 417', async () => {
    const fields = [json, `Content-Length: ${role.length}`, 'Expect: 100-continue', 'Connection: close']
    const { answer } = await exchange([
      head('POST /api/v1/roles HTTP/1.1', ...fields),
      role.replace('smuggled', 'expected'),
    ])
    expect(statuses(answer)).toEqual(['100', '201'])
    const refused = await exchange([head('GET /api/v1/me HTTP/1.1', 'Expect: tea')])
    expect(refused.answer).toMatch(/^HTTP\/1\.1 417 .*nosniff.*"code":"malformed-request"/is)
    expect(refused.closedAfter).toBeDefined()
  })

  it('a method that tunnels, upgrades or reflects does nothing', async () => {
    for (const line of ['CONNECT example.com:443 HTTP/1.1', 'TRACE /api/v1/me HTTP/1.1']) {
      const { answer } = await exchange([head(line, 'Connection: close')])
      expect(answer).not.toMatch(/^HTTP\/1\.1 2/)
      expect(answer).not.toContain(session.accessToken)
    }
  })

  it('NUL, bare CR and bare LF in a header are refused', async () => {
    for (const field of ['X: a\0b', 'X: a\rY: b', 'X\0: a']) {
      expect(statuses((await exchange([head('GET /api/v1/me HTTP/1.1', field)])).answer), field).toEqual(['400'])
    }
  })
})

describe('F39: a caller that is slow', () => {
  it('with its headers, or says nothing, is cut off within 12 s, and others are served meanwhile', async () => {
    const slow = Promise.all([
      exchange(['GET /api/v1/me HTTP/1.1\r\nHost: a\r\nX: '], 20_000),
      exchange([], 20_000),
      exchange(['G'], 20_000),
    ])
    expect((await session.call('GET', '/api/v1/me')).status).toBe(200)
    for (const { answer, closedAfter } of await slow) {
      expect(closedAfter).toBeLessThan(14_000)
      if (answer !== '') expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    }
  })

  it('with its body, 1 byte a second, is cut off within 32 s', async () => {
    const closedAfter = await new Promise<number>((resolve) => {
      const start = performance.now()
      const socket = connect(port(), '127.0.0.1', () => {
        socket.write(head('POST /api/v1/roles HTTP/1.1', json, 'Content-Length: 1000'))
      })
      const drip = setInterval(() => socket.write(' '), 1000)
      socket.on('error', () => {})
      socket.resume()
      socket.on('close', () => {
        clearInterval(drip)
        resolve(performance.now() - start)
      })
    })
    expect(closedAfter).toBeLessThan(36_000)
  }, 60_000)
})
