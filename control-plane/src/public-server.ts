/** The people's HTTP API: every route of `/api/v1`, the public keys, the document that describes it all. */

import { permissions } from '@sallyport/fleet'
import { createHttpServer, type HttpObserver, type HttpServer, type ServerCertificate } from '@sallyport/http'
import { describeApi, registerApiDocument } from './api-document.ts'
import type { ApiPorts } from './api-ports.ts'
import { answerRepeats } from './idempotency.ts'
import { authorizeCaller } from './person-access.ts'
import { keepRefreshTokensInCookies } from './refresh-cookie.ts'
import { limitRequests } from './request-limit.ts'
import { apiKeysRoutes } from './route/api-keys/api-keys-routes.ts'
import { auditRoutes } from './route/audit/audit-routes.ts'
import { commandsRoutes } from './route/commands/commands-routes.ts'
import { devicesRoutes } from './route/devices/devices-routes.ts'
import { enrollmentGroupsRoutes } from './route/enrollment-groups/enrollment-groups-routes.ts'
import { registerFollowEvents } from './route/events/follow-events.ts'
import { invitationsRoutes } from './route/invitations/invitations-routes.ts'
import { jobsRoutes } from './route/jobs/jobs-routes.ts'
import { registerPublishSigningKeys } from './route/keys/publish-signing-keys.ts'
import { membersRoutes } from './route/members/members-routes.ts'
import { notificationsRoutes } from './route/notifications/notifications-routes.ts'
import { organizationRoutes } from './route/organization/organization-routes.ts'
import { organizationsRoutes } from './route/organizations/organizations-routes.ts'
import { provisioningRecordsRoutes } from './route/provisioning-records/provisioning-records-routes.ts'
import { psksRoutes } from './route/psks/psks-routes.ts'
import { resourcesRoutes } from './route/resources/resources-routes.ts'
import { rolesRoutes } from './route/roles/roles-routes.ts'
import { sessionsRoutes } from './route/sessions/sessions-routes.ts'
import { upgradesToSocket } from './route/socket/open-socket.ts'
import { socketRoutes } from './route/socket/socket-routes.ts'
import { telemetryRoutes } from './route/telemetry/telemetry-routes.ts'

const registrations = [
  ...sessionsRoutes,
  ...apiKeysRoutes,
  ...organizationRoutes,
  ...organizationsRoutes,
  ...membersRoutes,
  ...rolesRoutes,
  ...invitationsRoutes,
  ...enrollmentGroupsRoutes,
  ...psksRoutes,
  ...provisioningRecordsRoutes,
  ...devicesRoutes,
  ...resourcesRoutes,
  ...commandsRoutes,
  ...telemetryRoutes,
  registerFollowEvents,
  ...socketRoutes,
  ...auditRoutes,
  ...jobsRoutes,
  ...notificationsRoutes,
]

export interface PublicServerOptions {
  readonly observer?: HttpObserver
  /** Addresses or networks whose `x-forwarded-for` is believed. */
  readonly trustedProxies?: readonly string[]
  /** Whose pages may call, besides those of this origin. */
  readonly allowedOrigins?: readonly string[]
  /** Where people reach the API, if that is configured. */
  readonly ownOrigin?: string | undefined
  readonly connectionsPerNetwork?: number
  /** For HTTPS; without it plain HTTP. */
  readonly certificate?: ServerCertificate | undefined
}

export async function createPublicServer(ports: ApiPorts, options: PublicServerOptions = {}): Promise<HttpServer> {
  const { observer = {}, trustedProxies = [], ownOrigin, certificate, ...own } = options
  const server = createHttpServer({
    ...own,
    clock: ports.clock,
    observer: {
      ...observer,
      async requestRefused(refusal) {
        await observer.requestRefused?.(refusal)
        await ports.refusalTrail.record(refusal)
      },
    },
    permissions,
    upgrades: upgradesToSocket,
    ...(trustedProxies.length === 0 ? {} : { trustedProxies }),
    ...(certificate === undefined ? {} : { certificate }),
    authorize: (request, access) => authorizeCaller(request, access, ports),
  })
  await describeApi(server)
  limitRequests(server, ports)
  await keepRefreshTokensInCookies(server, ownOrigin)
  answerRepeats(server, ports)
  for (const register of registrations) register(server, ports)
  registerPublishSigningKeys(server, ports.publishedKeys)
  registerApiDocument(server)
  return server
}
