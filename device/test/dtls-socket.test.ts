import { Socket } from 'node:dgram'
import { describe, expect, it } from 'vitest'
import { dtlsSockets } from '../src/dtls-socket.ts'

const message = (type: number, code: number, messageId: number): Uint8Array =>
  Uint8Array.of(0x40 | (type << 4), code, messageId >> 8, messageId & 0xff)

function listening() {
  const sent: Uint8Array[] = []
  const sockets = dtlsSockets((bytes) => sent.push(bytes))
  const heard: string[] = []
  sockets.client.on('message', () => heard.push('client'))
  sockets.server.on('message', () => heard.push('server'))
  return { ...sockets, sent, heard }
}

describe('the dgram-shaped sockets', () => {
  it('pass for dgram.Socket, without which node-coap neither deduplicates nor answers errors', () => {
    const { client, server } = listening()
    expect(client instanceof Socket && server instanceof Socket).toBe(true)
  })

  it('give requests to the server and responses to the client', () => {
    const { receive, heard } = listening()
    receive(message(0, 0x01, 1))
    receive(message(1, 0x45, 2))
    receive(message(2, 0x84, 3))
    expect(heard).toEqual(['server', 'client', 'client'])
  })

  it('answer a ping with a reset of its message id, unseen by node-coap', () => {
    const { receive, sent, heard } = listening()
    receive(message(0, 0, 0xbeef))
    expect(sent).toEqual([Uint8Array.of(0x70, 0, 0xbe, 0xef)])
    expect(heard).toEqual([])
  })

  it('give an empty acknowledgement or reset to the role that used its message id', () => {
    const { receive, heard, client, server } = listening()
    client.send(Buffer.from(message(0, 0x01, 7)), 0, 4, 0, 'peer')
    server.send(Buffer.from(message(0, 0x45, 8)), 0, 4, 0, 'peer')
    receive(message(2, 0, 8))
    receive(message(3, 0, 7))
    receive(message(2, 0, 9))
    expect(heard).toEqual(['server', 'client'])
  })

  it('send without an address, as node-coap does for its error replies', () => {
    const { server, sent } = listening()
    server.send(Buffer.from('xxabcdxx'), 2, 4, 0)
    expect(Buffer.from(sent[0] ?? []).toString()).toBe('abcd')
  })

  it('drop what is shorter than a header or of a class nobody has', () => {
    const { receive, heard } = listening()
    receive(Uint8Array.of(0x40, 0x01))
    receive(message(0, 0x21, 1))
    receive(message(0, 0xe0, 1))
    expect(heard).toEqual([])
  })

  it('forget message ids beyond the last 256', () => {
    const { receive, heard, client } = listening()
    for (let id = 0; id <= 256; id += 1) client.send(Buffer.from(message(0, 0x01, id)), 0, 4, 0, 'peer')
    receive(message(2, 0, 0))
    expect(heard).toEqual([])
    receive(message(2, 0, 256))
    expect(heard).toEqual(['client'])
  })
})
