export { fileTokenLock } from './file-token-lock.ts'
export { openToken } from './open-token.ts'
export type {
  GenerateEcKeyOptions,
  OpenTokenOptions,
  SealingKey,
  Token,
  TokenCurve,
  TokenKey,
  TokenLock,
  TokenObserver,
} from './token.ts'
