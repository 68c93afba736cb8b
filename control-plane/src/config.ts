/** What the control plane is told by its environment. */

import { redisSettings, serviceSettings, setting } from '@sallyport/config'

export const controlPlaneSettings = {
  ...serviceSettings,
  ...redisSettings,
  httpPort: setting({
    name: 'SALLYPORT_HTTP_PORT',
    meaning: "The port of the people's HTTP API.",
    kind: 'port',
    default: 8080,
  }),
  internalPort: setting({
    name: 'SALLYPORT_INTERNAL_PORT',
    meaning: 'The port of the internal HTTP API, which only our own services reach, by mutual TLS.',
    kind: 'port',
    default: 8443,
  }),
  publicUrl: setting({
    name: 'SALLYPORT_PUBLIC_URL',
    meaning: 'Where people reach the API; without it the bound address, which is right on one machine only.',
    kind: 'url',
    schemes: ['http', 'https'],
    optional: true,
  }),
  tokenIssuer: setting({
    name: 'SALLYPORT_TOKEN_ISSUER',
    meaning: 'The `iss` of every token; the gateways are told the same. Without it SALLYPORT_PUBLIC_URL.',
    kind: 'string',
    optional: true,
  }),
  trustedProxies: setting({
    name: 'SALLYPORT_TRUSTED_PROXIES',
    meaning:
      'Addresses or networks (CIDR), separated by commas, whose `x-forwarded-for` is believed: limits and audit go by it.',
    kind: 'string',
    optional: true,
  }),
  httpCertificateFile: setting({
    name: 'SALLYPORT_HTTP_CERTIFICATE',
    meaning:
      "The certificate chain (PEM, leaf first) of the people's HTTP API, which then speaks HTTPS alone; read again when it changes. Without it plain HTTP, for behind a proxy.",
    kind: 'path',
    optional: true,
  }),
  httpKeyFile: setting({
    name: 'SALLYPORT_HTTP_KEY',
    meaning: 'The key (PEM) of SALLYPORT_HTTP_CERTIFICATE, readable by this service alone.',
    kind: 'path',
    optional: true,
  }),
  allowedOrigins: setting({
    name: 'SALLYPORT_ALLOWED_ORIGINS',
    meaning:
      'Origins (https://host), separated by commas, whose pages may call the API with a token of their own and read its answers (CORS), and open the web socket. Without it no others than its own.',
    kind: 'string',
    optional: true,
  }),
  connectionsPerNetwork: setting({
    name: 'SALLYPORT_CONNECTIONS_PER_NETWORK',
    meaning:
      'How many connections one network (an IPv4 address, an IPv6 /64) may hold open to the people’s HTTP API, if it is no trusted proxy.',
    kind: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 1024,
  }),
  mostSockets: setting({
    name: 'SALLYPORT_MOST_SOCKETS',
    meaning: 'Web sockets that this process holds at most; more are answered 429. An idle one takes some 10 kB.',
    kind: 'integer',
    minimum: 0,
    maximum: 1_000_000,
    default: 20_000,
  }),
  socketsPerPerson: setting({
    name: 'SALLYPORT_SOCKETS_PER_PERSON',
    meaning: 'Web sockets that this process holds of one person at most.',
    kind: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 20,
  }),
  socketHeartbeat: setting({
    name: 'SALLYPORT_SOCKET_HEARTBEAT',
    meaning:
      'How often a web socket is pinged; one that is silent for two and a half times as long is closed. Shorter than the patience of any proxy in between.',
    kind: 'duration',
    default: '30s',
  }),
  requestsPerMinute: setting({
    name: 'SALLYPORT_REQUESTS_PER_MINUTE',
    meaning:
      'How many requests one person may make in a minute, and one network (an IPv4 address, an IPv6 /64) where nobody is logged in.',
    kind: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 6000,
  }),
  organizationCreation: setting({
    name: 'SALLYPORT_ORGANIZATION_CREATION',
    meaning:
      'Who makes organizations: `operators` are the owners of the installation’s first one, `anybody` is everybody whose e-mail address was shown to be theirs.',
    kind: 'choice',
    choices: ['nobody', 'operators', 'anybody'],
    default: 'operators',
  }),
  organizationsPerPerson: setting({
    name: 'SALLYPORT_ORGANIZATIONS_PER_PERSON',
    meaning: 'How many organizations one person makes, those that they have left among them.',
    kind: 'integer',
    minimum: 0,
    maximum: 100_000,
    default: 50,
  }),
  hsmModule: setting({
    name: 'SALLYPORT_HSM_MODULE',
    meaning: 'The PKCS#11 module of the HSM.',
    kind: 'path',
  }),
  hsmToken: setting({
    name: 'SALLYPORT_HSM_TOKEN',
    meaning: 'The label of the token with the key-encryption keys.',
    kind: 'string',
    default: 'kek',
  }),
  hsmPinFile: setting({
    name: 'SALLYPORT_HSM_PIN_FILE',
    meaning: "A file with the token's user PIN, readable by this service alone.",
    kind: 'path',
  }),
  sealingKeyLabel: setting({
    name: 'SALLYPORT_SEALING_KEY',
    meaning: 'The label of the key in the token that seals the JWT keys and the gateways’ sealing keys.',
    kind: 'string',
    default: 'kek-1',
  }),
  sealingKeyPeriod: setting({
    name: 'SALLYPORT_SEALING_KEY_PERIOD',
    meaning:
      'How long one key seals the session tickets and snapshots of gateways; it opens them for as long again, then it is gone.',
    kind: 'duration',
    default: '24h',
  }),
  jwtKeyPeriod: setting({
    name: 'SALLYPORT_JWT_KEY_PERIOD',
    meaning: 'How long one key signs tokens before the next one does.',
    kind: 'duration',
    default: '30d',
  }),
  jwtKeyAhead: setting({
    name: 'SALLYPORT_JWT_KEY_AHEAD',
    meaning:
      'How long the next key is published before it signs; at least 5 min, and less than SALLYPORT_JWT_KEY_PERIOD.',
    kind: 'duration',
    default: '5d',
  }),
  jwtKeyGrace: setting({
    name: 'SALLYPORT_JWT_KEY_GRACE',
    meaning:
      'How long a key verifies after it signed last; at least an hour more than the longest life of a token, SALLYPORT_SESSION_IDLE_TIMEOUT among them.',
    kind: 'duration',
    default: '15d',
  }),
  softwareToken: setting({
    name: 'SALLYPORT_ALLOW_SOFTWARE_HSM',
    meaning: 'Lets a production start use SoftHSM, whose keys are files on this machine.',
    kind: 'boolean',
    default: false,
  }),
  firstAdminFile: setting({
    name: 'SALLYPORT_FIRST_ADMIN_FILE',
    meaning:
      'Where the first admin’s login is written (mode 0600) when there is no organization yet. In production no first admin is made without it.',
    kind: 'path',
    optional: true,
  }),
  firstAdminEmail: setting({
    name: 'SALLYPORT_FIRST_ADMIN_EMAIL',
    meaning: 'The address of the first admin, to which mail goes: without it one that does not exist.',
    kind: 'string',
    default: 'admin@sallyport.local',
  }),
  accessTokenLifetime: setting({
    name: 'SALLYPORT_ACCESS_TOKEN_LIFETIME',
    meaning: "How long a person's access token is good; at most 15 min.",
    kind: 'duration',
    default: '15m',
  }),
  recentAuthentication: setting({
    name: 'SALLYPORT_RECENT_AUTHENTICATION',
    meaning:
      'How long after showing the password a person may do what asks for a recent log-in, such as making API keys.',
    kind: 'duration',
    default: '10m',
  }),
  sessionIdleTimeout: setting({
    name: 'SALLYPORT_SESSION_IDLE_TIMEOUT',
    meaning: 'A person who does not refresh for this long has to log in again.',
    kind: 'duration',
    default: '14d',
  }),
  sessionLifetime: setting({
    name: 'SALLYPORT_SESSION_LIFETIME',
    meaning: 'After this long a person has to log in again in any case.',
    kind: 'duration',
    default: '30d',
  }),
  deviceTokenLifetime: setting({
    name: 'SALLYPORT_DEVICE_TOKEN_LIFETIME',
    meaning: "How long a device's access token is good.",
    kind: 'duration',
    default: '24h',
  }),
  onboardingCodeLifetime: setting({
    name: 'SALLYPORT_ONBOARDING_CODE_LIFETIME',
    meaning: 'How long a device has to redeem its onboarding code; at most 10 min.',
    kind: 'duration',
    default: '10m',
  }),
  smtpUrl: setting({
    name: 'SALLYPORT_SMTP_URL',
    meaning:
      'The mail server: smtp://user@host:587 or smtps://user@host:465; in production smtp becomes TLS by STARTTLS or nothing is sent. Without it mails end among the dead jobs.',
    kind: 'url',
    schemes: ['smtp', 'smtps'],
    optional: true,
    secret: true,
  }),
  smtpPasswordFile: setting({
    name: 'SALLYPORT_SMTP_PASSWORD_FILE',
    meaning: 'A file with the password for the user of SALLYPORT_SMTP_URL; it stands in for a password in the URL.',
    kind: 'path',
    optional: true,
  }),
  smtpAuthorityFile: setting({
    name: 'SALLYPORT_SMTP_CA',
    meaning: 'The CAs (PEM) that may vouch for the mail server; without it those that Node trusts.',
    kind: 'path',
    optional: true,
  }),
  mailFrom: setting({
    name: 'SALLYPORT_MAIL_FROM',
    meaning: 'The sender of every mail: an address, or Name <address>. Its domain stands in the Message-IDs.',
    kind: 'string',
    default: 'Sallyport <sallyport@localhost>',
  }),
  jobConcurrency: setting({
    name: 'SALLYPORT_JOB_CONCURRENCY',
    meaning: 'Jobs, such as mails, that this process works on at the same time.',
    kind: 'integer',
    minimum: 1,
    maximum: 64,
    default: 4,
  }),
}
