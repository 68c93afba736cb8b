/** What every service is told. The mode is `production` unless it is said otherwise, so that nothing weak is on by accident. */

import { setting } from './setting.ts'

export const serviceSettings = {
  mode: setting({
    name: 'SALLYPORT_MODE',
    meaning: 'What kind of run this is; production refuses the development PKI and makes no first admin by itself.',
    kind: 'choice',
    choices: ['development', 'test', 'production'],
    default: 'production',
  }),
  logLevel: setting({
    name: 'SALLYPORT_LOG_LEVEL',
    meaning: 'The least severe log line that is written.',
    kind: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
  }),
  databaseUrl: setting({
    name: 'SALLYPORT_DATABASE_URL',
    meaning: 'The Postgres database that holds everything that must not be lost.',
    kind: 'url',
    schemes: ['postgres', 'postgresql'],
    secret: true,
  }),
  host: setting({
    name: 'SALLYPORT_HOST',
    meaning: 'The address that the service listens on.',
    kind: 'string',
    default: '127.0.0.1',
  }),
  managementPort: setting({
    name: 'SALLYPORT_MANAGEMENT_PORT',
    meaning: 'The port of /metrics, /healthz and /readyz.',
    kind: 'port',
    default: 0,
  }),
  readyFile: setting({
    name: 'SALLYPORT_READY_FILE',
    meaning: 'A file that is written, as JSON with the bound addresses, once the service is ready.',
    kind: 'path',
    optional: true,
  }),
  serviceCertificateFile: setting({
    name: 'SALLYPORT_SERVICE_CERTIFICATE',
    meaning: 'The certificate chain (PEM, leaf first) of this service towards the other services.',
    kind: 'path',
  }),
  serviceKeyFile: setting({
    name: 'SALLYPORT_SERVICE_KEY',
    meaning: 'The private key (PKCS#8 PEM) of SALLYPORT_SERVICE_CERTIFICATE.',
    kind: 'path',
  }),
  serviceAuthorityFile: setting({
    name: 'SALLYPORT_SERVICE_CA',
    meaning: "The services' own CA (PEM, up to its root): the only one that other services are trusted by.",
    kind: 'path',
  }),
}

/** Of a service that uses Redis. */
export const redisSettings = {
  redisUrl: setting({
    name: 'SALLYPORT_REDIS_URL',
    meaning:
      'The Redis that transports events; it may vanish at any moment. With the name of the user: redis://user@host:6379.',
    kind: 'url',
    schemes: ['redis', 'rediss'],
    secret: true,
  }),
  redisPasswordFile: setting({
    name: 'SALLYPORT_REDIS_PASSWORD_FILE',
    meaning: 'A file with the password for the user of SALLYPORT_REDIS_URL; it stands in for a password in the URL.',
    kind: 'path',
    optional: true,
  }),
}
