/** ClientHellos written field by field, so that any of them can be wrong. */

import { randomBytes } from 'node:crypto'
import { ByteWriter } from '@sallyport/bytes'

export interface HelloFields {
  readonly version?: number
  readonly random?: Uint8Array
  readonly sessionId?: number
  readonly suites?: readonly number[]
  readonly suiteBytes?: Uint8Array
  readonly compressions?: readonly number[]
  readonly extensions?: Uint8Array
}

export const defaultExtensions = (): Uint8Array =>
  new ByteWriter()
    .bytes(Uint8Array.of(0, 10, 0, 4, 0, 2, 0, 23))
    .bytes(Uint8Array.of(0, 13, 0, 4, 0, 2, 4, 3))
    .bytes(Uint8Array.of(0, 23, 0, 0))
    .finish()

/** The body of a hello with what was asked for in it, given its cookie. */
export function helloWith(fields: HelloFields): (cookie: Uint8Array) => Uint8Array {
  const random = fields.random ?? randomBytes(32)
  return (cookie) => {
    const writer = new ByteWriter(512)
    writer.u16(fields.version ?? 0xfefd).bytes(random)
    writer.vector8((id) => id.bytes(new Uint8Array(fields.sessionId ?? 0)))
    writer.vector8((body) => body.bytes(cookie))
    writer.vector16((list) => {
      if (fields.suiteBytes !== undefined) list.bytes(fields.suiteBytes)
      else for (const suite of fields.suites ?? [0xc0ae]) list.u16(suite)
    })
    writer.vector8((list) => list.bytes(Uint8Array.from(fields.compressions ?? [0])))
    writer.vector16((block) => block.bytes(fields.extensions ?? defaultExtensions()))
    return writer.finish()
  }
}
