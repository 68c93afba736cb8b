/** Answers to the machines' questions, at once and by node:crypto; a test may put its own in place of any. */

import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { readCertificateKey } from '../../src/certificate-key.ts'
import type { NamedGroupName } from '../../src/named-group.ts'
import type { Answer, KeyShare, PeerDecision, Question, SignatureVerdict } from '../../src/output.ts'
import { signatureSchemes } from '../../src/signature-scheme.ts'
import type { TestIdentity } from './identity.ts'

export const acceptEveryone = (): PeerDecision => ({ accepted: true })

export type Judge = (chain: readonly Uint8Array[]) => PeerDecision

/** Identities and their keys. */
export type PskTable = Readonly<Record<string, Uint8Array>>

export function answerFor(
  question: Question,
  identity: TestIdentity | undefined,
  judge: Judge,
  psks: PskTable = {},
): Answer {
  switch (question.kind) {
    case 'makeRandom':
      return { kind: 'makeRandom', random: randomBytes(32), connectionId: randomBytes(7) }
    case 'findPsk': {
      const key = psks[Buffer.from(question.identity).toString('latin1')]
      if (key !== undefined) return { kind: 'findPsk', key, refusal: undefined }
      const refusal = { code: 'psk-identity-unknown', detail: 'no key is known for the identity' } as const
      return { kind: 'findPsk', key: randomBytes(16), refusal }
    }
    case 'makeKeyShare':
      return {
        kind: 'makeKeyShare',
        keyShare: makeKeyShare(question.group),
        random: randomBytes(32),
        connectionId: randomBytes(7),
      }
    case 'agree':
      return { kind: 'agree', sharedSecret: agree(question.group, question.privateKey, question.peerPublicKey) }
    case 'sign': {
      if (identity === undefined) return { kind: 'failed', detail: 'no key' }
      const { hash } = signatureSchemes[question.scheme]
      return { kind: 'sign', signature: sign(hash, question.content, identity.privateKey) }
    }
    case 'verifySignature': {
      const key = readCertificateKey(question.certificate)
      if (key === undefined) return { kind: 'verifySignature', verdict: 'certificate-malformed' }
      if (key.curve === undefined) return { kind: 'verifySignature', verdict: 'key-unsupported' }
      return { kind: 'verifySignature', verdict: checkSignature(question, key.spki) }
    }
    case 'verifyPeer':
      return { kind: 'verifyPeer', decision: judge(question.chain) }
  }
}

function checkSignature(question: Question & { kind: 'verifySignature' }, spki: Uint8Array): SignatureVerdict {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    const { hash } = signatureSchemes[question.scheme]
    return verify(hash, question.content, publicKey, question.signature) ? 'valid' : 'invalid'
  } catch {
    return 'certificate-malformed'
  }
}

const curves = { secp256r1: 'prime256v1', secp384r1: 'secp384r1' } as const

export function makeKeyShare(group: NamedGroupName): KeyShare {
  if (group !== 'x25519') {
    const ecdh = createECDH(curves[group])
    return { publicKey: ecdh.generateKeys(), privateKey: ecdh.getPrivateKey() }
  }
  const { publicKey, privateKey } = generateKeyPairSync('x25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })
  return { publicKey: publicKey.subarray(-32), privateKey: privateKey.subarray(-32) }
}

export function agree(group: NamedGroupName, privateKey: Uint8Array, peer: Uint8Array): Uint8Array | undefined {
  try {
    if (group !== 'x25519') {
      const ecdh = createECDH(curves[group])
      ecdh.setPrivateKey(privateKey)
      return ecdh.computeSecret(peer)
    }
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), privateKey])
    const spki = Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), peer])
    return diffieHellman({
      privateKey: createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
      publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
    })
  } catch {
    return undefined
  }
}
