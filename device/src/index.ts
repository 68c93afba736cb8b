/** For tests: node-coap over our DTLS client, and what it needs. The device itself is a program, `src/main.ts`. */

export { CoapLink, type ConnectLinkOptions, type LinkAnswer, type LinkRequest } from './coap-link.ts'
export { setCoapTiming } from './coap-timing.ts'
export { DeviceFailure, isDeviceFailure } from './device-failure.ts'
export { verifyServer } from './server-trust.ts'
export { readCertificates, readIdentityFiles } from './state-directory.ts'
