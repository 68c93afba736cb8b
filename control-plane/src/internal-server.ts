/** The HTTP API for our own services: mutual TLS, each route for named services alone. */

import { CodedError } from '@sallyport/errors'
import {
  callerService,
  createHttpServer,
  type HttpObserver,
  type HttpServer,
  type MutualTls,
  services,
} from '@sallyport/http'
import type { InternalPorts } from './internal-ports.ts'
import { registerCreateOnboardingCode } from './route/internal/create-onboarding-code.ts'
import { acceptForms, registerIssueDeviceTokens } from './route/internal/issue-device-tokens.ts'
import { registerLookUpPsk } from './route/internal/look-up-psk.ts'
import { registerReadSealingKeys } from './route/internal/read-sealing-keys.ts'
import { registerPublishSigningKeys } from './route/keys/publish-signing-keys.ts'

export function createInternalServer(
  ports: InternalPorts,
  edge: { readonly mutualTls: MutualTls; readonly observer: HttpObserver },
): HttpServer {
  const server = createHttpServer({
    clock: ports.clock,
    mutualTls: edge.mutualTls,
    observer: edge.observer,
    maxBodyBytes: 16_384,
    authorize(request, access) {
      const caller = callerService(request)
      if (access.kind === 'service' && access.services.includes(caller)) return
      throw new CodedError('permission-denied', `This route is not for ${caller}.`)
    },
  })
  acceptForms(server)
  registerCreateOnboardingCode(server, ports)
  registerIssueDeviceTokens(server, ports)
  registerPublishSigningKeys(server, ports.publishedKeys, services('gateway', 'dps'))
  registerReadSealingKeys(server, ports)
  registerLookUpPsk(server, ports)
  return server
}
