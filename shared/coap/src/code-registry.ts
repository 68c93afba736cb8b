/**
 * Method and response codes (RFC 7252 section 12.1, RFC 7959, RFC 8132, RFC 8516, RFC 8768) and how they lie on the wire:
 * three bits of class, five bits of detail.
 */

export type CoapMethod = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'iPATCH'

export const methodCodes = {
  GET: 1,
  POST: 2,
  PUT: 3,
  DELETE: 4,
  FETCH: 5,
  PATCH: 6,
  iPATCH: 7,
} as const satisfies Record<CoapMethod, number>

const methodNames: readonly (CoapMethod | undefined)[] = [
  undefined,
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'FETCH',
  'PATCH',
  'iPATCH',
]

/** Response codes and their reason phrases. */
export const responseCodes = {
  '2.01': 'Created',
  '2.02': 'Deleted',
  '2.03': 'Valid',
  '2.04': 'Changed',
  '2.05': 'Content',
  '2.31': 'Continue',
  '4.00': 'Bad Request',
  '4.01': 'Unauthorized',
  '4.02': 'Bad Option',
  '4.03': 'Forbidden',
  '4.04': 'Not Found',
  '4.05': 'Method Not Allowed',
  '4.06': 'Not Acceptable',
  '4.08': 'Request Entity Incomplete',
  '4.09': 'Conflict',
  '4.12': 'Precondition Failed',
  '4.13': 'Request Entity Too Large',
  '4.15': 'Unsupported Content-Format',
  '4.22': 'Unprocessable Entity',
  '4.29': 'Too Many Requests',
  '5.00': 'Internal Server Error',
  '5.01': 'Not Implemented',
  '5.02': 'Bad Gateway',
  '5.03': 'Service Unavailable',
  '5.04': 'Gateway Timeout',
  '5.05': 'Proxying Not Supported',
  '5.08': 'Hop Limit Reached',
} as const

export type ResponseCode = keyof typeof responseCodes

/** The code of an empty message: ACK, RST or ping (RFC 7252 section 4.1). */
export const emptyCode = 0

const responseCodeOfByte = new Map<number, ResponseCode>()
const byteOfResponseCode = new Map<ResponseCode, number>()
for (const code of Object.keys(responseCodes) as ResponseCode[]) {
  const byte = ((code.charCodeAt(0) - 48) << 5) | Number(code.slice(2))
  responseCodeOfByte.set(byte, code)
  byteOfResponseCode.set(code, byte)
}

/** `c.dd` as one byte. */
export const responseCodeByte = (code: ResponseCode): number => byteOfResponseCode.get(code) as number

/** The method of a request code; undefined for one that is not registered. */
export const methodOf = (code: number): CoapMethod | undefined => methodNames[code]

/** GET and FETCH change nothing: they may be carried out again and be observed (RFC 7252 section 5.1, RFC 8132 section 2). */
export const isSafe = (method: CoapMethod | undefined): boolean => method === 'GET' || method === 'FETCH'

/** True for class 0 without the empty code. */
export const isRequestCode = (code: number): boolean => code > 0 && code < 32

/** True for classes 2, 4 and 5; the others are reserved (RFC 7252 section 3). */
export const isResponseCode = (code: number): boolean => {
  const codeClass = code >> 5
  return codeClass === 2 || codeClass === 4 || codeClass === 5
}

/**
 * The response code of a byte. An unregistered detail is treated as the generic code of its class
 * (RFC 7252 section 5.9); undefined when the class is not one of responses.
 */
export function responseCodeOf(code: number): ResponseCode | undefined {
  const known = responseCodeOfByte.get(code)
  if (known !== undefined) return known
  switch (code >> 5) {
    case 2:
      return '2.05'
    case 4:
      return '4.00'
    case 5:
      return '5.00'
    default:
      return undefined
  }
}

export const isSuccess = (code: ResponseCode): boolean => code.startsWith('2')
