import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deviceIdFromCommonName, provisioningRecordId } from '../src/index.ts'

const id = '8f0c2a53-5f1e-4d0e-9a3c-0d6f1f2b3c4d'

describe('the device id of a common name', () => {
  it('[4.6] is the UUID in lower case, whatever the case of the name', () => {
    expect(deviceIdFromCommonName(`uuid:${id}`)).toBe(id)
    expect(deviceIdFromCommonName(`UUID:${id.toUpperCase()}`)).toBe(id)
  })

  it('[4.6] is none for any other name (F24)', () => {
    for (const name of [
      undefined,
      '',
      id,
      `urn:uuid:${id}`,
      `uuid:${id}\n`,
      `uuid:${id}\u0000`,
      ` uuid:${id}`,
      `uuid:{${id}}`,
      `uuid:*`,
      `uu\u0131d:${id}`,
      `uuid:${id.replace('a', '\u0430')}`,
      'uuid:00000000-0000-0000-0000-000000000000',
    ]) {
      expect(deviceIdFromCommonName(name), JSON.stringify(name)).toBeUndefined()
    }
  })
})

describe('the provisioning record of a manufacturer key', () => {
  it('is the UUIDv5 of the key in the X.500 name space', () => {
    const spki = Buffer.from('not really a key')
    const namespace = Buffer.from('6ba7b8149dad11d180b400c04fd430c8', 'hex')
    const hash = createHash('sha1').update(namespace).update(spki).digest('hex')
    const recordId = provisioningRecordId(spki)
    expect(recordId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(recordId.slice(0, 13)).toBe(`${hash.slice(0, 8)}-${hash.slice(8, 12)}`)
  })
})
