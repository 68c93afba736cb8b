/**
 * Our side of `make bench`: a CoAP server over DTLS with mutual X.509 and one small resource, as bare as the server it stands beside.
 *
 *   node bench-server.ts PORT CA.pem SERVER.pem SERVER.key [strangers]
 *
 * The chain of each device is judged as in the product (RFC 5280 path, purpose), but nothing is looked up in books. Sessions are
 * resumed by ticket. What the product remembers of a device that came in before is remembered here; with `strangers` nothing is,
 * so that each handshake costs what that of a device costs which was never seen.
 */

import { createPrivateKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { clockFrom } from '@sallyport/clock'
import { listenCoaps, type PeerVerdict } from '@sallyport/coaps'
import { AcceptedCertificates, certificatesFromPem, validatePath } from '@sallyport/pki'

const [port = '', caFile = '', certificateFile = '', keyFile = '', devices = 'known'] = process.argv.slice(2)
const clock = clockFrom(Date.now)
const anchors = certificatesFromPem(readFileSync(caFile, 'utf8'))
const remembers = devices !== 'strangers'
const accepted = remembers ? new AcceptedCertificates() : undefined

function verifyPeer(chain: readonly Uint8Array[]): PeerVerdict<string> {
  const path = validatePath({ chain, anchors, at: clock.now(), purpose: 'manufacturer-device', accepted })
  if (path.valid) return admitted(path.path[0]?.commonName ?? '')
  return { accepted: false, alert: path.alert, code: path.code, detail: path.detail }
}

const admitted = (identity: string): PeerVerdict<string> => ({
  accepted: true,
  identity,
  resumable: Buffer.from(identity),
})

const server = await listenCoaps({
  host: '127.0.0.1',
  port: Number(port),
  limits: { maxHandshakesPerSecond: Number.POSITIVE_INFINITY },
  ...(remembers ? {} : { maxProvenKeys: 0 }),
  credentials: {
    chain: certificatesFromPem(readFileSync(certificateFile, 'utf8')).map(({ der }) => der),
    privateKey: createPrivateKey(readFileSync(keyFile)),
  },
  verifyPeer,
  resumePeer: (resumable) => admitted(Buffer.from(resumable).toString()),
  sealingKeys: { current: { id: randomBytes(8), key: randomBytes(32) } },
  resources: [
    {
      path: '/time',
      handlers: {
        GET: () => ({ code: '2.05', payload: Buffer.from(new Date().toISOString()), contentFormat: 0, maxAge: 1 }),
      },
    },
  ],
})

process.on('SIGTERM', () => {
  server.close().then(() => process.exit())
})
process.stdout.write('listening\n')
