/**
 * Every path that has no resource. It is one so that the gate stands before it too: who has not signed in gets 4.01 everywhere and
 * cannot find out what exists.
 */

import type { CoapHandler } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import type { DeviceIdentity } from '../device-identity.ts'
import type { DeviceResource } from '../device-request.ts'

const notFound: CoapHandler<DeviceIdentity> = () => {
  throw new CodedError('not-found', 'There is no resource at this path.')
}

export function anythingElse(): DeviceResource {
  const handlers = { GET: notFound, POST: notFound, PUT: notFound, DELETE: notFound }
  return { path: '/{path*}', handlers: { ...handlers, FETCH: notFound, PATCH: notFound, iPATCH: notFound } }
}
