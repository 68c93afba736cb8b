/** Reading the options of a message, in one pass: what is understood, and what refuses the message. */

import { hasCode } from '@sallyport/errors'
import type { Block } from './block-option.ts'
import { readBlock } from './block-option.ts'
import type { CoapContent } from './message-codec.ts'
import { readUint } from './message-codec.ts'
import { isCritical, keepsItsRules, optionNumbers } from './option-registry.ts'
import { decodeQuery, decodeSegment } from './uri-path.ts'

export interface RequestOptions {
  readonly segments: string[]
  readonly query: string[]
  readonly etags: Uint8Array[]
  readonly requestTags: Uint8Array[]
  readonly ifMatch: Uint8Array[]
  ifNoneMatch: boolean
  contentFormat: number | undefined
  accept: number | undefined
  observe: number | undefined
  echo: Uint8Array | undefined
  block1: Block | undefined
  block2: Block | undefined
  size1: number | undefined
  proxied: boolean
}

export interface OptionsRefused {
  /** A critical option that is not understood or breaks its rules, or a value that is not allowed. */
  readonly refused: 'bad-option' | 'malformed-request'
  readonly detail: string
}

const maxHopLimit = 255

/**
 * Views stay views: the byte strings point into the message.
 *
 * @param reliable the message came by a reliable transport, where blocks may be BERT
 */
export function readRequestOptions(message: CoapContent, reliable = false): RequestOptions | OptionsRefused {
  const read: RequestOptions = {
    segments: [],
    query: [],
    etags: [],
    requestTags: [],
    ifMatch: [],
    ifNoneMatch: false,
    contentFormat: undefined,
    accept: undefined,
    observe: undefined,
    echo: undefined,
    block1: undefined,
    block2: undefined,
    size1: undefined,
    proxied: false,
  }
  let previous = 0
  for (const { number, value } of message.options) {
    if (!keepsItsRules(number, value.length, number === previous)) {
      if (isCritical(number)) return { refused: 'bad-option', detail: `option ${number}` }
      continue
    }
    previous = number
    switch (number) {
      case optionNumbers['Uri-Path']: {
        const segment = decoded(value, decodeSegment)
        if (segment === undefined) return { refused: 'malformed-request', detail: 'a path segment is not allowed' }
        read.segments.push(segment)
        break
      }
      case optionNumbers['Uri-Query']: {
        const text = decoded(value, decodeQuery)
        if (text === undefined) return { refused: 'malformed-request', detail: 'a query is not allowed' }
        read.query.push(text)
        break
      }
      case optionNumbers['Content-Format']:
        read.contentFormat = readUint(value)
        break
      case optionNumbers.Accept:
        read.accept = readUint(value)
        break
      case optionNumbers.Observe:
        read.observe = readUint(value)
        break
      case optionNumbers.ETag:
        read.etags.push(value)
        break
      case optionNumbers['Request-Tag']:
        read.requestTags.push(value)
        break
      case optionNumbers['If-Match']:
        read.ifMatch.push(value)
        break
      case optionNumbers['If-None-Match']:
        read.ifNoneMatch = true
        break
      case optionNumbers.Echo:
        read.echo = value
        break
      case optionNumbers['Hop-Limit']: {
        // Nothing is forwarded from here, so there is nothing to count down (RFC 8768 section 3).
        const hops = readUint(value)
        if (hops === 0 || hops > maxHopLimit) return { refused: 'malformed-request', detail: 'no hop limit' }
        break
      }
      case optionNumbers.Block1:
      case optionNumbers.Block2: {
        const block = readBlock(value)
        if (block.bert === true && !reliable) return { refused: 'malformed-request', detail: 'a reserved block size' }
        if (number === optionNumbers.Block1) read.block1 = block
        else read.block2 = block
        break
      }
      case optionNumbers.Size1:
        read.size1 = readUint(value)
        break
      case optionNumbers['Proxy-Uri']:
      case optionNumbers['Proxy-Scheme']:
        read.proxied = true
        break
      case optionNumbers['Uri-Host']:
      case optionNumbers['Uri-Port']:
      // One server for every name: the association has settled who is spoken to.
      case optionNumbers['OCF-Accept-Content-Format-Version']:
      case optionNumbers['OCF-Content-Format-Version']:
        break
      default:
        if (isCritical(number)) return { refused: 'bad-option', detail: `option ${number}` }
    }
  }
  const inner = read.segments.indexOf('')
  if (inner !== -1 && inner !== read.segments.length - 1) {
    return { refused: 'malformed-request', detail: 'an empty path segment' }
  }
  if (read.segments.length === 1 && inner === 0) read.segments.pop()
  return read
}

function decoded(value: Uint8Array, decode: (value: Uint8Array) => string | undefined): string | undefined {
  try {
    return decode(value)
  } catch (error) {
    if (hasCode(error, 'malformed-bytes')) return undefined
    throw error
  }
}

export interface ResponseOptions {
  contentFormat: number | undefined
  etag: Uint8Array | undefined
  maxAge: number | undefined
  observe: number | undefined
  echo: Uint8Array | undefined
  block1: Block | undefined
  block2: Block | undefined
}

/** Undefined when a critical option is not understood or breaks its rules: such a response is rejected. */
export function readResponseOptions(message: CoapContent, reliable = false): ResponseOptions | undefined {
  const read: ResponseOptions = {
    contentFormat: undefined,
    etag: undefined,
    maxAge: undefined,
    observe: undefined,
    echo: undefined,
    block1: undefined,
    block2: undefined,
  }
  let previous = 0
  for (const { number, value } of message.options) {
    if (!keepsItsRules(number, value.length, number === previous)) {
      if (isCritical(number)) return undefined
      continue
    }
    previous = number
    switch (number) {
      case optionNumbers['Content-Format']:
        read.contentFormat = readUint(value)
        break
      case optionNumbers.ETag:
        read.etag ??= value
        break
      case optionNumbers['Max-Age']:
        read.maxAge = readUint(value)
        break
      case optionNumbers.Echo:
        read.echo = value
        break
      case optionNumbers.Observe:
        read.observe = readUint(value)
        break
      case optionNumbers.Block1:
      case optionNumbers.Block2: {
        const block = readBlock(value)
        if (block.bert === true && !reliable) return undefined
        if (number === optionNumbers.Block1) read.block1 = block
        else read.block2 = block
        break
      }
      case optionNumbers['OCF-Accept-Content-Format-Version']:
      case optionNumbers['OCF-Content-Format-Version']:
        break
      default:
        if (isCritical(number)) return undefined
    }
  }
  return read
}
