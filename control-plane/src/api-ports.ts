/** What the routes of the public API work with. */

import type { Clock, Duration } from '@sallyport/clock'
import type { Logger } from '@sallyport/diagnostics'
import type { SealingKey } from '@sallyport/hsm'
import type { OrganizationCreation, Store } from '@sallyport/store'
import type { JWK } from 'jose'
import type { ApiKeys } from './api-keys.ts'
import type { AuditOpening } from './audit-opening.ts'
import type { CommandAnswers } from './command-answers.ts'
import type { ControlPlaneMetrics } from './control-plane-metrics.ts'
import type { DevicePsks } from './device-psks.ts'
import type { LiveEvents } from './live-events.ts'
import type { LoginLimit } from './login-limit.ts'
import type { PersonPermissions } from './person-permissions.ts'
import type { PersonTokens } from './person-tokens.ts'
import type { RefusalTrail } from './refusal-trail.ts'
import type { RequestLimit } from './request-limit.ts'
import type { SessionFamilies } from './session-families.ts'
import type { SocketBounds } from './socket/live-sockets.ts'

export interface ApiPorts {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ControlPlaneMetrics
  readonly personTokens: PersonTokens
  readonly personPermissions: Pick<PersonPermissions, 'of' | 'onChanged'>
  readonly sessions: SessionFamilies
  readonly apiKeys: Pick<ApiKeys, 'generate' | 'authenticate' | 'scopesNow' | 'onChanged'>
  /** How long a log-in counts as recent. */
  readonly recentAuthentication: Duration
  readonly loginLimit: LoginLimit
  readonly requestLimit: RequestLimit
  readonly auditOpening: AuditOpening
  readonly refusalTrail: Pick<RefusalTrail, 'record'>
  readonly commandAnswers: CommandAnswers
  readonly liveEvents: LiveEvents
  readonly socketLimits: SocketBounds
  /** Origins whose pages may open the web socket. */
  readonly socketOrigins: () => readonly string[]
  /** Of the HSM: for what is kept of answers. */
  readonly sealingKey: Pick<SealingKey, 'seal' | 'open'>
  readonly devicePsks: Pick<DevicePsks, 'create'>
  /** Who makes organizations here, and how many. */
  readonly organizationCreation: OrganizationCreation
  /** Whether a mail server is configured. */
  readonly sendsMail: boolean
  readonly publishedKeys: () => readonly JWK[]
}
