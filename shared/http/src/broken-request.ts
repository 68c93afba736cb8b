/** Answers to what never becomes a request, or is refused before Fastify sees it, on the bare socket. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { CodedError, type ErrorCode } from '@sallyport/errors'
import { correlationHeader, correlationIdOf } from './correlation-id.ts'
import { problemContentType, problemDocument } from './problem-document.ts'
import { securityHeaders } from './security-headers.ts'

/** What Node's parser refuses (RFC 9112 sections 2.2, 6.3). */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const status = brokenRequestStatus[error.code ?? ''] ?? '400 Bad Request'
  const code: ErrorCode = status.startsWith('431') ? 'request-too-large' : 'malformed-request'
  const { headers, body } = problemAnswer(code, 'The request could not be read.', status, socket)
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`)
}

/** An `Expect` other than 100-continue (RFC 9110 section 10.1.1). */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const detail = 'Expect: only 100-continue is understood.'
  const { headers, body } = problemAnswer('malformed-request', detail, '417 Expectation Failed', request.socket)
  response.writeHead(417, headers).end(body)
}

const brokenRequestStatus: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

function problemAnswer(
  code: ErrorCode,
  detail: string,
  status: string,
  socket: Socket,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const correlationId = correlationIdOf({})
  const problem = problemDocument(new CodedError(code, detail), { path: '', correlationId })
  const body = JSON.stringify({ ...problem, status: Number(status.slice(0, 3)) })
  return {
    body,
    headers: {
      ...securityHeaders({ overTls: socket instanceof TLSSocket }),
      'content-type': problemContentType,
      'content-language': 'en',
      'content-length': String(Buffer.byteLength(body)),
      [correlationHeader]: correlationId,
      connection: 'close',
    },
  }
}
