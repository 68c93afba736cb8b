/** For tests: node-coap over our DTLS client. The device itself is a program, `src/main.ts`. */

export type { CoapLink, LinkAnswer, LinkRequest } from './coap-link.ts'
export { DeviceFailure, isDeviceFailure } from './device-failure.ts'
export { type DtlsSockets, dtlsSockets } from './dtls-socket.ts'
export { connectLinkFromFiles, type LinkFiles } from './link-from-files.ts'
