export { ApiProblem, hasProblemCode, isApiProblem, isServerUnreachable, ServerUnreachable } from './api-problem.ts'
export {
  type AnswerOf,
  type BodyOf,
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type Fetch,
  type FetchedResponse,
  type FetchInit,
  type ItemOf,
  type LinesOperation,
  type LiveEvent,
  type OperationName,
  type PagedOperation,
  type RequestOf,
} from './client.ts'
export { type OperationDefinition, operations } from './operations.ts'
export {
  memorySessionStore,
  type SessionStore,
  type SessionTokens,
  sessionTokens,
  sessionTokensIn,
} from './session-tokens.ts'
export { fixedToken, type TokenSource } from './token-source.ts'
