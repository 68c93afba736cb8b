/** Answers to the machines' questions, at once and by node:crypto; a test may put its own in place of any. */

import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { readCertificateKey } from '../../src/certificate-key.ts'
import type { NamedGroupName } from '../../src/named-group.ts'
import type { Answer, KeyShare, PeerDecision, Question, SignatureVerdict } from '../../src/output.ts'
import { signatureSchemes } from '../../src/signature-scheme.ts'
import type { TestIdentity } from './identity.ts'

export const acceptEveryone = (): PeerDecision => ({ accepted: true, resumable: Uint8Array.of(1, 2, 3) })

export type Judge = (chain: readonly Uint8Array[]) => PeerDecision

/** Identities and their keys. */
export type PskTable = Readonly<Record<string, Uint8Array>>
/** Whether a peer may come in again. */
export type ResumptionJudge = (resumable: Uint8Array) => boolean

export function answerFor(
  question: Question,
  identity: TestIdentity | undefined,
  judge: Judge,
  psks: PskTable = {},
  judgeResumption: ResumptionJudge = () => true,
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
      if (key.kind === undefined) return { kind: 'verifySignature', verdict: 'key-unsupported' }
      return { kind: 'verifySignature', verdict: checkSignature(question, key.spki) }
    }
    case 'verifyPeer':
      return { kind: 'verifyPeer', decision: judge(question.chain) }
    case 'resumePeer':
      return {
        kind: 'resumePeer',
        accepted: judgeResumption(question.resumable),
        random: randomBytes(32),
        connectionId: randomBytes(7),
      }
  }
}

export const pssParameters = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const

function checkSignature(question: Question & { kind: 'verifySignature' }, spki: Uint8Array): SignatureVerdict {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    const { hash, algorithm } = signatureSchemes[question.scheme]
    const key = algorithm === 'rsa-pss' ? { key: publicKey, ...pssParameters } : publicKey
    return verify(hash, question.content, key, question.signature) ? 'valid' : 'invalid'
  } catch {
    return 'certificate-malformed'
  }
}

const curves = { secp256r1: 'P-256', secp384r1: 'P-384' } as const

export function makeKeyShare(group: NamedGroupName): KeyShare {
  const { publicKey, privateKey } =
    group === 'x25519' ? generateKeyPairSync('x25519') : generateKeyPairSync('ec', { namedCurve: curves[group] })
  return { publicKey: publicKey.export({ format: 'raw-public' }), privateKey }
}

export function agree(group: NamedGroupName, privateKey: KeyObject, peer: Uint8Array): Uint8Array | undefined {
  const key = Buffer.from(peer)
  const format = 'raw-public'
  try {
    const publicKey =
      group === 'x25519'
        ? createPublicKey({ key, format, asymmetricKeyType: 'x25519' })
        : createPublicKey({ key, format, asymmetricKeyType: 'ec', namedCurve: curves[group] })
    return diffieHellman({ privateKey, publicKey })
  } catch {
    return undefined
  }
}
