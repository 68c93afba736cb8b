import { certificatesFromPem } from '@sallyport/pki'
import { decode, encode, type Value } from '@sallyport/representation'
import { describe, expect, it } from 'vitest'
import { chooseGateway } from '../src/gateway-choice.ts'
import { accessControlEntries } from '../src/resource/acls.ts'
import { credentials } from '../src/resource/credentials.ts'
import { authority } from './manufacturer-pki.ts'

const owner = '11111111-1111-4111-8111-111111111111'
const hub = '22222222-2222-4222-8222-222222222222'
const device = '33333333-3333-4333-8333-333333333333'
const roundTrip = (value: Value) => JSON.parse(JSON.stringify(decode(10000, encode(10000, value))))

describe('what a device is given', () => {
  it('[4.10] gives the owner and the hub everything, and anyone the discovery resources to read', () => {
    const [ownerEntry, anyone, hubEntry, ...rest] = roundTrip(accessControlEntries(owner, hub))
    expect(rest).toEqual([])
    expect(ownerEntry).toMatchObject({ permission: 31, subject: { uuid: owner }, tag: 'dps' })
    expect(ownerEntry.resources.map((each: { href?: string; wc?: string }) => each.href ?? each.wc)).toEqual([
      ...['/CoapCloudConfResURI', '/oic/sec/sp', '/x.plgd.dev/time'],
      ...['/oc/con', '/oc/swu', '/oic/mnt', '/x.plgd.dev/time', '*'],
    ])
    expect(anyone).toMatchObject({ permission: 2, subject: { conntype: 'anon-clear' }, tag: 'dps' })
    expect(anyone.resources.map((each: { href: string }) => each.href)).toEqual([
      ...['/oic/d', '/oic/p', '/oic/res', '/oic/sec/sdi', '/oic/sec/doxm'],
    ])
    expect(hubEntry).toMatchObject({ permission: 31, subject: { uuid: hub }, tag: 'dps' })
    expect(hubEntry.resources).toContainEqual({ wc: '*', if: ['*'] })
  })

  it('[4.8] [4.9] gives the certificate without its root, and both roots as trust anchors', async () => {
    const root = await authority('installation-root', 'Root', undefined)
    const issuing = await authority('service-ca', 'Issuing', root)
    const installation = await authority('installation-root', 'Installation', undefined)
    const leaf = await authority('identity-ca', 'Stands for a leaf', undefined)
    const entries = roundTrip(
      credentials(leaf.certificate, device, owner, {
        identityChain: [issuing.certificate, root.certificate],
        installationRoot: installation.certificate,
      }),
    )
    expect(entries.map((entry: { credusage: string }) => entry.credusage)).toEqual([
      'oic.sec.cred.cert',
      'oic.sec.cred.trustca',
      'oic.sec.cred.trustca',
    ])
    for (const entry of entries) {
      expect(entry).toMatchObject({ credtype: 8, tag: 'dps', publicdata: { encoding: 'oic.sec.encoding.pem' } })
    }
    expect(entries.map((entry: { subjectuuid: string }) => entry.subjectuuid)).toEqual([device, owner, owner])
    const names = entries.map((entry: { publicdata: { data: string } }) =>
      certificatesFromPem(entry.publicdata.data).map((certificate) => certificate.commonName),
    )
    expect(names).toEqual([['Stands for a leaf', 'Issuing'], ['Root'], ['Installation']])
  })

  it('[4.9] keeps the gateway that the device selected while it lives, and spreads the others', () => {
    const live = ['coaps://a:5684', 'coaps://b:5684', 'coaps://c:5684']
    expect(chooseGateway(live, device, 'coaps://b:5684')).toBe('coaps://b:5684')
    const chosen = chooseGateway(live, device, 'coaps://gone:5684')
    expect(live).toContain(chosen)
    expect(chooseGateway([...live].reverse(), device, undefined)).toBe(chosen)
    const spread = new Set(Array.from({ length: 100 }, () => chooseGateway(live, crypto.randomUUID(), undefined)))
    expect(spread.size).toBe(3)
  })

  it('[4.9] has no gateway to give when none is alive', () => {
    expect(() => chooseGateway([], device, undefined)).toThrow(
      expect.objectContaining({ code: 'dependency-unavailable' }),
    )
  })
})
