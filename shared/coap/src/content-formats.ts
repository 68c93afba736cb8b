/** Content formats that the product speaks (IANA CoAP Content-Formats; RFC 7252 section 12.3). */

export const contentFormats = {
  'text/plain': 0,
  'application/link-format': 40,
  'application/octet-stream': 42,
  'application/json': 50,
  'application/cbor': 60,
  'application/senml+json': 110,
  'application/senml+cbor': 112,
  'application/concise-problem-details+cbor': 257,
  'application/pkcs7-mime; smime-type=certs-only': 281,
  'application/pkcs8': 284,
  'application/csrattrs': 285,
  'application/pkcs10': 286,
  'application/pkix-cert': 287,
  'application/vnd.ocf+cbor': 10000,
} as const

export type ContentFormatName = keyof typeof contentFormats
