export { acceptedLanguage } from './accept-language.ts'
export { callerNetwork } from './caller-network.ts'
export { callerService, serviceNameIn } from './caller-service.ts'
export { heldCertificate, type OwnCertificate, requireInDate, watchCertificateEnds } from './certificate-end.ts'
export { CircuitBreaker, type CircuitState } from './circuit-breaker.ts'
export { correlationHeader, correlationIdOf } from './correlation-id.ts'
export { originsIn } from './cross-origin.ts'
export {
  closeGracefully,
  createHttpServer,
  type HttpObserver,
  type HttpServer,
  type HttpServerOptions,
  type RefusedRequest,
  routesOf,
  type ServedRequest,
} from './http-server.ts'
export {
  type Management,
  type ManagementOptions,
  type MetricsExposition,
  type ReadinessCheck,
  startManagement,
} from './management.ts'
export { type MutualTls, openMutualTls, type ServiceCredentialFiles } from './mutual-tls.ts'
export {
  type ProblemDocument,
  ProblemSchema,
  problemContentType,
  problemDocument,
  problemHeaders,
  problemType,
} from './problem-document.ts'
export { problemStatus, statusOf } from './problem-status.ts'
export {
  anyCallerAccess,
  type DeclaredRoute,
  type PersonConditions,
  publicAccess,
  type RouteAccess,
  requires,
  services,
  signedInAccess,
} from './route-access.ts'
export { requireSameOrigin } from './same-origin.ts'
export { openServerCertificate, type ServerCertificate, type ServerCertificateFiles } from './server-certificate.ts'
export {
  type ServiceClient,
  type ServiceClientOptions,
  type ServiceRequest,
  type ServiceResponse,
  serviceClient,
} from './service-client.ts'
