/**
 * PEM (RFC 7468): base64 of DER between labels. Text outside of the labels is ignored, inside it nothing is.
 */

import { fromBase64, toBase64 } from '@sallyport/bytes'
import { CodedError, isCodedError } from '@sallyport/errors'
import { type Certificate, parseCertificate } from './certificate.ts'

export interface PemBlock {
  readonly label: string
  readonly der: Uint8Array
}

const boundary = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/

/** Every block in the text, of any label. @throws CodedError `malformed-bytes` for a block that does not end, nests or is not base64. */
export function allPemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  let open: { label: string; lines: string[] } | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const [, side, label = ''] = boundary.exec(line) ?? []
    if (side === undefined) {
      open?.lines.push(line.trim())
    } else if (side === 'BEGIN') {
      if (open !== undefined) throw new CodedError('malformed-bytes', `a PEM block ${open.label} does not end`)
      open = { label, lines: [] }
    } else {
      if (open?.label !== label) throw new CodedError('malformed-bytes', `a PEM block ${label} ends that never began`)
      blocks.push({ label, der: fromBase64(open.lines.join('')) })
      open = undefined
    }
  }
  if (open !== undefined) throw new CodedError('malformed-bytes', `a PEM block ${open.label} does not end`)
  return blocks
}

/** The blocks with this label, in their order. @throws CodedError `malformed-bytes`. */
export const pemBlocks = (pem: string, label: string): Uint8Array[] =>
  allPemBlocks(pem)
    .filter((block) => block.label === label)
    .map(({ der }) => der)

export function toPem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

export const certificateToPem = (der: Uint8Array): string => toPem('CERTIFICATE', der)

/** All certificates in the text, in their order; at least one. @throws CodedError `certificate-malformed`. */
export function certificatesFromPem(pem: string): Certificate[] {
  const certificates = certificateBlocks(pem).map((der) => parseCertificate(der))
  if (certificates.length === 0) throw new CodedError('certificate-malformed', 'The text holds no PEM certificate.')
  return certificates
}

function certificateBlocks(pem: string): Uint8Array[] {
  try {
    return pemBlocks(pem, 'CERTIFICATE')
  } catch (error) {
    if (!isCodedError(error)) throw error
    throw new CodedError('certificate-malformed', `The PEM text is malformed: ${error.message}.`, { cause: error })
  }
}
