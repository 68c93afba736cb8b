/**
 * Serves the device's resources to the gateway with node-coap's server: GET, POST (an update) and Observe (RFC 7641) on each,
 * and the list of links at /oic/res.
 *
 * node-coap does not end an observation on a GET with Observe 1 or on a registration with the same token: that is done here.
 */

import { isCodedError } from '@sallyport/errors'
import { asRecord, decode, encode, type Value } from '@sallyport/representation'
import { type IncomingMessage, ObserveWriteStream, type OutgoingMessage } from 'coap'
import type { RequestListener } from './coap-link.ts'
import { formatNumber } from './content-formats.ts'
import type { DeviceResource } from './resource/device-resource.ts'
import { linksOf } from './resource-links.ts'

type Response = OutgoingMessage | ObserveWriteStream

interface Answer {
  readonly code: string
  readonly format?: number
  readonly payload?: Uint8Array
  /** The resource that was read and may be observed. */
  readonly read?: DeviceResource
}

export interface ResourceServerOptions {
  readonly deviceId: string
  readonly resources: readonly DeviceResource[]
  /** Told of each update that was applied. */
  readonly onUpdate?: (resource: DeviceResource) => void
}

const ocfCbor = 10000
const acceptable: readonly number[] = [ocfCbor, 60, 50]

export class ResourceServer {
  readonly #options: ResourceServerOptions
  readonly #resources: ReadonlyMap<string, DeviceResource>
  /** Observers by the token of their registration. */
  readonly #observers = new Map<string, () => void>()

  constructor(options: ResourceServerOptions) {
    this.#options = options
    this.#resources = new Map(options.resources.map((resource) => [resource.description.href, resource]))
  }

  get observations(): number {
    return this.#observers.size
  }

  readonly listener: RequestListener = (request, response) => {
    const token = tokenOf(request)
    if (request.headers.Observe !== undefined) this.#observers.get(token)?.()
    const answer = this.#answer(request)
    if (answer.read !== undefined && answer.format !== undefined && response instanceof ObserveWriteStream) {
      this.#observe(answer.read, token, response, answer.format)
    } else {
      send(response, answer)
    }
  }

  /** Ends all observations: the association they lived on is gone. */
  endObservations(): void {
    for (const end of [...this.#observers.values()]) end()
  }

  #answer(request: IncomingMessage): Answer {
    const path = request.url.split('?', 1)[0] ?? '/'
    const format = formatNumber(request.headers.Accept) ?? ocfCbor
    if (!acceptable.includes(format)) return { code: '4.06' }
    if (path === '/oic/res') {
      if (request.method !== 'GET') return { code: '4.05' }
      return content('2.05', format, linksOf(this.#options.deviceId, this.#options.resources))
    }
    const resource = this.#resources.get(path)
    if (resource === undefined) return { code: '4.04' }
    if (request.method === 'GET') return { ...content('2.05', format, resource.representation()), read: resource }
    if (request.method !== 'POST' || !resource.writable) return { code: '4.05' }
    return this.#update(resource, request, format)
  }

  #update(resource: DeviceResource, request: IncomingMessage, format: number): Answer {
    try {
      const contentFormat = formatNumber(request.headers['Content-Format']) ?? ocfCbor
      resource.update(asRecord(decode(contentFormat, request.payload)))
    } catch (error) {
      if (!isCodedError(error)) throw error
      const code = error.code === 'unsupported-content-format' ? '4.15' : '4.00'
      return { code, payload: Buffer.from(error.message) }
    }
    this.#options.onUpdate?.(resource)
    return content('2.04', format, resource.representation())
  }

  #observe(resource: DeviceResource, token: string, response: ObserveWriteStream, format: number): void {
    const notify = (): void => {
      response.statusCode = '2.05'
      response.setOption('Content-Format', format)
      response.write(Buffer.from(encode(format, resource.representation())))
    }
    const stopListening = resource.onChange(notify)
    const end = (): void => {
      stopListening()
      if (this.#observers.get(token) === end) this.#observers.delete(token)
      if (!response.writableEnded) response.end()
    }
    this.#observers.set(token, end)
    // A notification that is reset or never acknowledged ends the stream.
    response.on('finish', end)
    response.on('error', end)
    notify()
  }
}

const content = (code: string, format: number, value: Value): Answer => ({
  code,
  format,
  payload: encode(format, value),
})

function send(response: Response, answer: Answer): void {
  response.statusCode = answer.code
  if (answer.format !== undefined) response.setOption('Content-Format', answer.format)
  response.end(answer.payload === undefined ? undefined : Buffer.from(answer.payload))
}

const tokenOf = (request: IncomingMessage): string => request._packet.token?.toString('hex') ?? ''
