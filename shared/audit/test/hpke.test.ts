import { createECDH, randomBytes } from 'node:crypto'
import { fromHex, toHex, utf8 } from '@sallyport/bytes'
import { describe, expect, it } from 'vitest'
import { type HpkeAgreement, hpkeOpen, hpkeSeal } from '../src/index.ts'

/** RFC 9180 appendix A.3.1: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, mode base, sequence number 0. */
const vector = {
  info: '4f6465206f6e2061204772656369616e2055726e',
  skEm: '4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb',
  enc: '04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4',
  skRm: 'f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2',
  pkRm: '04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0',
  pt: '4265617574792069732074727574682c20747275746820626561757479',
  aad: '436f756e742d30',
  ct: '5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434',
}

function agreed(privateKey: string, peer: string): Uint8Array {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(privateKey, 'hex')
  return ecdh.computeSecret(peer, 'hex')
}

const agreement = (sharedSecret: Uint8Array): HpkeAgreement => ({
  encapsulated: fromHex(vector.enc),
  recipient: fromHex(vector.pkRm),
  sharedSecret,
  info: fromHex(vector.info),
})

describe('HPKE', () => {
  it('RFC 9180 appendix A.3.1: seals and opens as the vector has it, from either side of the agreement', () => {
    const [sender, recipient] = [agreed(vector.skEm, vector.pkRm), agreed(vector.skRm, vector.enc)]
    const additionalData = fromHex(vector.aad)
    const sealed = hpkeSeal(agreement(sender), { plaintext: fromHex(vector.pt), additionalData }, 'aes-128-gcm')
    expect(toHex(sealed)).toBe(vector.ct)
    const opened = hpkeOpen(agreement(recipient), { ciphertext: fromHex(vector.ct), additionalData }, 'aes-128-gcm')
    expect(toHex(opened)).toBe(vector.pt)
  })

  it('RFC 9180 section 5: opens for nobody else, for nothing else, and nothing that was altered', () => {
    const secret = agreed(vector.skEm, vector.pkRm)
    const additionalData = utf8('for one subject')
    const ciphertext = hpkeSeal(agreement(secret), { plaintext: utf8('a key'), additionalData })
    expect(hpkeOpen(agreement(secret), { ciphertext, additionalData })).toEqual(utf8('a key'))
    const altered = ciphertext.map((byte, index) => (index === 0 ? byte ^ 1 : byte))
    for (const open of [
      () => hpkeOpen(agreement(secret), { ciphertext, additionalData: utf8('for another') }),
      () => hpkeOpen({ ...agreement(secret), info: utf8('else') }, { ciphertext, additionalData }),
      () => hpkeOpen(agreement(randomBytes(32)), { ciphertext, additionalData }),
      () => hpkeOpen(agreement(secret), { ciphertext: altered, additionalData }),
      () => hpkeOpen(agreement(secret), { ciphertext: ciphertext.subarray(0, 10), additionalData }),
    ]) {
      expect(open).toThrow(expect.objectContaining({ code: 'sealed-value-invalid' }))
    }
  })
})
