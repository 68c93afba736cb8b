/** Content formats between node-coap, which names those it knows, and everyone else, who number them. */

const numbersByName: Readonly<Record<string, number>> = {
  'text/plain': 0,
  'application/link-format': 40,
  'application/octet-stream': 42,
  'application/json': 50,
  'application/cbor': 60,
  'application/senml+json': 110,
  'application/senml+cbor': 112,
  'application/concise-problem-details+cbor': 257,
  'application/vnd.ocf+cbor': 10000,
}

/** The number of what node-coap gives for Content-Format or Accept; undefined when the option is absent or has another name. */
export function formatNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? numbersByName[value] : undefined
}
