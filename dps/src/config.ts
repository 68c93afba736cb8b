/** What the dps is told. Enrollment groups, the hub and the gateways stand in the database. */

import { type Configuration, coapsSettings, serviceSettings, setting } from '@sallyport/config'

export const dpsSettings = {
  ...serviceSettings,
  ...coapsSettings,
  coapsPort: setting({
    name: 'SALLYPORT_COAPS_PORT',
    meaning: 'The UDP port on which devices find the dps (CoAP over DTLS).',
    kind: 'port',
    default: 15684,
  }),
  serverCertificateFile: setting({
    name: 'SALLYPORT_SERVER_CERTIFICATE',
    meaning: 'The certificate chain (PEM, leaf first) that devices see.',
    kind: 'path',
  }),
  serverKeyFile: setting({
    name: 'SALLYPORT_SERVER_KEY',
    meaning: 'The private key (PKCS#8 PEM, P-256 or P-384) of SALLYPORT_SERVER_CERTIFICATE.',
    kind: 'path',
  }),
  controlPlaneUrl: setting({
    name: 'SALLYPORT_CONTROL_PLANE_URL',
    meaning: 'The internal address of the control plane, which gives onboarding codes.',
    kind: 'url',
    schemes: ['https'],
  }),
  authoritiesFile: setting({
    name: 'SALLYPORT_AUTHORITIES_FILE',
    meaning: "The installation's certificate authorities (authorities.json), written by the key ceremony.",
    kind: 'path',
  }),
  hsmModule: setting({
    name: 'SALLYPORT_HSM_MODULE',
    meaning: 'The PKCS#11 module of the HSM.',
    kind: 'path',
  }),
  hsmToken: setting({
    name: 'SALLYPORT_HSM_TOKEN',
    meaning: 'The label of the token with the keys of the certificate authorities.',
    kind: 'string',
    default: 'ca',
  }),
  hsmPinFile: setting({
    name: 'SALLYPORT_HSM_PIN_FILE',
    meaning: "A file with the token's user PIN, readable by this service alone.",
    kind: 'path',
  }),
  softwareToken: setting({
    name: 'SALLYPORT_ALLOW_SOFTWARE_HSM',
    meaning: 'Lets a production start use SoftHSM, whose keys are files on this machine.',
    kind: 'boolean',
    default: false,
  }),
  databaseConnections: setting({
    name: 'SALLYPORT_DATABASE_CONNECTIONS',
    meaning: 'Connections with Postgres that the dps opens at most.',
    kind: 'integer',
    minimum: 8,
    maximum: 200,
    default: 16,
  }),
}

export type DpsConfiguration = Configuration<typeof dpsSettings>
