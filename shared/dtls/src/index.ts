export { type AlertName, alertNumbers } from './alert.ts'
export { type CipherSuiteName, cipherSuites, defaultCipherSuites } from './cipher-suite.ts'
export type { CloseReason } from './output.ts'
