/**
 * The operations of the HTTP API and their types. Generated from control-plane/openapi.json by `make docs`: a change here is
 * lost, and `make check` refuses it.
 */

export interface OperationDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `{name}` stands for a parameter. */
  readonly path: string
  readonly parameters: Readonly<Record<string, 'path' | 'query' | 'header'>>
  /** Whether it wants a token. */
  readonly authenticated: boolean
  /** Whether it takes an `Idempotency-Key`. */
  readonly once: boolean
  readonly answers: 'object' | 'page' | 'events' | 'lines' | 'nothing'
}

export const operations = {
  logIn: {
    method: 'POST',
    path: '/api/v1/auth/login',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'object',
  },
  refreshSession: {
    method: 'POST',
    path: '/api/v1/auth/refresh',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'object',
  },
  enterOrganization: {
    method: 'POST',
    path: '/api/v1/auth/organization',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  reauthenticate: {
    method: 'POST',
    path: '/api/v1/auth/reauthenticate',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  logOut: {
    method: 'POST',
    path: '/api/v1/auth/logout',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  readMe: {
    method: 'GET',
    path: '/api/v1/me',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  requestEmailVerification: {
    method: 'POST',
    path: '/api/v1/me/email-verification',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  verifyEmail: {
    method: 'POST',
    path: '/api/v1/auth/verify-email',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'nothing',
  },
  createApiKey: {
    method: 'POST',
    path: '/api/v1/auth/api-key',
    parameters: { idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  listApiKeys: {
    method: 'GET',
    path: '/api/v1/api-keys',
    parameters: { cursor: 'query', limit: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readApiKey: {
    method: 'GET',
    path: '/api/v1/api-keys/{apiKeyId}',
    parameters: { apiKeyId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeApiKey: {
    method: 'PATCH',
    path: '/api/v1/api-keys/{apiKeyId}',
    parameters: { apiKeyId: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  revokeApiKey: {
    method: 'DELETE',
    path: '/api/v1/api-keys/{apiKeyId}',
    parameters: { apiKeyId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  readOrganization: {
    method: 'GET',
    path: '/api/v1/organization',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  renameOrganization: {
    method: 'PATCH',
    path: '/api/v1/organization',
    parameters: { ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  listOrganizations: {
    method: 'GET',
    path: '/api/v1/organizations',
    parameters: { cursor: 'query', limit: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  createOrganization: {
    method: 'POST',
    path: '/api/v1/organizations',
    parameters: { idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  joinOrganization: {
    method: 'POST',
    path: '/api/v1/organizations/join',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  listMembers: {
    method: 'GET',
    path: '/api/v1/members',
    parameters: { cursor: 'query', limit: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readMember: {
    method: 'GET',
    path: '/api/v1/members/{userId}',
    parameters: { userId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeMemberRoles: {
    method: 'PATCH',
    path: '/api/v1/members/{userId}',
    parameters: { userId: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  removeMember: {
    method: 'DELETE',
    path: '/api/v1/members/{userId}',
    parameters: { userId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  listRoles: {
    method: 'GET',
    path: '/api/v1/roles',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  createRole: {
    method: 'POST',
    path: '/api/v1/roles',
    parameters: { idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  readRole: {
    method: 'GET',
    path: '/api/v1/roles/{role}',
    parameters: { role: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeRole: {
    method: 'PATCH',
    path: '/api/v1/roles/{role}',
    parameters: { role: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  deleteRole: {
    method: 'DELETE',
    path: '/api/v1/roles/{role}',
    parameters: { role: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  listInvitations: {
    method: 'GET',
    path: '/api/v1/invitations',
    parameters: { cursor: 'query', limit: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  createInvitation: {
    method: 'POST',
    path: '/api/v1/invitations',
    parameters: { idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  acceptInvitation: {
    method: 'POST',
    path: '/api/v1/invitations/accept',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'object',
  },
  revokeInvitation: {
    method: 'DELETE',
    path: '/api/v1/invitations/{invitationId}',
    parameters: { invitationId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  listEnrollmentGroups: {
    method: 'GET',
    path: '/api/v1/enrollment-groups',
    parameters: { cursor: 'query', limit: 'query', name: 'query', state: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  createEnrollmentGroup: {
    method: 'POST',
    path: '/api/v1/enrollment-groups',
    parameters: { idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  readEnrollmentGroup: {
    method: 'GET',
    path: '/api/v1/enrollment-groups/{groupId}',
    parameters: { groupId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeEnrollmentGroup: {
    method: 'PATCH',
    path: '/api/v1/enrollment-groups/{groupId}',
    parameters: { groupId: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  deleteEnrollmentGroup: {
    method: 'DELETE',
    path: '/api/v1/enrollment-groups/{groupId}',
    parameters: { groupId: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  registerPskDevice: {
    method: 'POST',
    path: '/api/v1/enrollment-groups/{groupId}/psk-devices',
    parameters: { groupId: 'path', idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  listPsks: {
    method: 'GET',
    path: '/api/v1/psks',
    parameters: { cursor: 'query', limit: 'query', deviceId: 'query', groupId: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  replacePsk: {
    method: 'POST',
    path: '/api/v1/devices/{deviceId}/psks',
    parameters: { deviceId: 'path', idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  createOnboardingCode: {
    method: 'POST',
    path: '/api/v1/devices/{deviceId}/onboarding-codes',
    parameters: { deviceId: 'path', idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  revokePsk: {
    method: 'DELETE',
    path: '/api/v1/psks/{pskId}',
    parameters: { pskId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  listProvisioningRecords: {
    method: 'GET',
    path: '/api/v1/provisioning-records',
    parameters: { cursor: 'query', limit: 'query', deviceId: 'query', groupId: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readProvisioningRecord: {
    method: 'GET',
    path: '/api/v1/provisioning-records/{recordId}',
    parameters: { recordId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  listDevices: {
    method: 'GET',
    path: '/api/v1/devices',
    parameters: { cursor: 'query', limit: 'query', online: 'query', name: 'query', label: 'query', groupId: 'query', q: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readDevice: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}',
    parameters: { deviceId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeDevice: {
    method: 'PATCH',
    path: '/api/v1/devices/{deviceId}',
    parameters: { deviceId: 'path', ifMatch: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  deleteDevice: {
    method: 'DELETE',
    path: '/api/v1/devices/{deviceId}',
    parameters: { deviceId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  listResources: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}/resources',
    parameters: { deviceId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  readResource: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}/resources/{href}',
    parameters: { twin: 'query', deviceId: 'path', href: 'path', prefer: 'header' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  updateResource: {
    method: 'PUT',
    path: '/api/v1/devices/{deviceId}/resources/{href}',
    parameters: { deviceId: 'path', href: 'path', prefer: 'header', idempotencyKey: 'header' },
    authenticated: true,
    once: true,
    answers: 'object',
  },
  listCommands: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}/commands',
    parameters: { cursor: 'query', limit: 'query', deviceId: 'path' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readCommand: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}/commands/{commandId}',
    parameters: { deviceId: 'path', commandId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  readTelemetry: {
    method: 'GET',
    path: '/api/v1/devices/{deviceId}/telemetry',
    parameters: { cursor: 'query', limit: 'query', name: 'query', from: 'query', to: 'query', deviceId: 'path' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  followEvents: {
    method: 'GET',
    path: '/api/v1/events',
    parameters: { topic: 'query', deviceId: 'query', groupId: 'query', after: 'query', lastEventId: 'header' },
    authenticated: true,
    once: false,
    answers: 'events',
  },
  createSocketTicket: {
    method: 'POST',
    path: '/api/v1/socket/tickets',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  readAsyncApi: {
    method: 'GET',
    path: '/api/v1/asyncapi.json',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'object',
  },
  listAuditEvents: {
    method: 'GET',
    path: '/api/v1/audit-events',
    parameters: { cursor: 'query', limit: 'query', type: 'query', actorId: 'query', subjectId: 'query', correlationId: 'query', outcome: 'query', from: 'query', to: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  exportAuditEvents: {
    method: 'GET',
    path: '/api/v1/audit-events/export',
    parameters: { from: 'query', to: 'query' },
    authenticated: true,
    once: false,
    answers: 'lines',
  },
  listJobs: {
    method: 'GET',
    path: '/api/v1/jobs',
    parameters: { cursor: 'query', limit: 'query', state: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  readJob: {
    method: 'GET',
    path: '/api/v1/jobs/{jobId}',
    parameters: { jobId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  dropJob: {
    method: 'DELETE',
    path: '/api/v1/jobs/{jobId}',
    parameters: { jobId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  retryJob: {
    method: 'POST',
    path: '/api/v1/jobs/{jobId}/retry',
    parameters: { jobId: 'path' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  listNotifications: {
    method: 'GET',
    path: '/api/v1/notifications',
    parameters: { cursor: 'query', limit: 'query', unread: 'query' },
    authenticated: true,
    once: false,
    answers: 'page',
  },
  countUnreadNotifications: {
    method: 'GET',
    path: '/api/v1/notifications/unread-count',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  markNotificationRead: {
    method: 'POST',
    path: '/api/v1/notifications/{notificationId}/read',
    parameters: { notificationId: 'path' },
    authenticated: true,
    once: false,
    answers: 'nothing',
  },
  markNotificationsRead: {
    method: 'POST',
    path: '/api/v1/notifications/read',
    parameters: { until: 'query' },
    authenticated: true,
    once: false,
    answers: 'object',
  },
  readNotificationPreferences: {
    method: 'GET',
    path: '/api/v1/notification-preferences',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  changeNotificationPreferences: {
    method: 'PATCH',
    path: '/api/v1/notification-preferences',
    parameters: {},
    authenticated: true,
    once: false,
    answers: 'object',
  },
  readSigningKeys: {
    method: 'GET',
    path: '/.well-known/jwks.json',
    parameters: {},
    authenticated: false,
    once: false,
    answers: 'object',
  },
} as const satisfies Readonly<Record<string, OperationDefinition>>

export interface OperationTypes {
  /** Log in with a username or an e-mail address */
  readonly logIn: {
    readonly request: {
      readonly body: {
        readonly username?: string | undefined
        readonly email?: string | undefined
        readonly password: string
        /** In which of their organizations the session is; without it the one where they were last. */
        readonly organizationId?: string | undefined
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      /** A JWT (RFC 9068); send it as Bearer. */
      readonly access_token: string
      readonly token_type: 'Bearer'
      /** Seconds. */
      readonly expires_in: number
      /** Good for one refresh. Not here but in a cookie for who sent `Sallyport-Session: cookie`. */
      readonly refresh_token?: string | undefined
      readonly user: {
        readonly id: string
        readonly email: string
        readonly username: string
        readonly organizationId: string
        readonly roles: readonly string[]
        readonly permissions: readonly string[]
      }
    } }
  }
  /** Renew the tokens of a session. The refresh token is replaced. Of two requests with one token the loser gets 409 `refresh-superseded` for 10 s; afterwards the old token ends the session. */
  readonly refreshSession: {
    readonly request: {
      readonly body: {
        readonly refresh_token: string
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      /** A JWT (RFC 9068); send it as Bearer. */
      readonly access_token: string
      readonly token_type: 'Bearer'
      /** Seconds. */
      readonly expires_in: number
      /** Good for one refresh. Not here but in a cookie for who sent `Sallyport-Session: cookie`. */
      readonly refresh_token?: string | undefined
      readonly user: {
        readonly id: string
        readonly email: string
        readonly username: string
        readonly organizationId: string
        readonly roles: readonly string[]
        readonly permissions: readonly string[]
      }
    } }
  }
  /** Go on in another organization. Answers the tokens of a new session in that organization; the one of the caller ends, and its tokens with it. The new one lives no longer than the one before it would have. An organization that the caller is not in answers like one that does not exist. */
  readonly enterOrganization: {
    readonly request: {
      readonly body: {
        readonly organizationId: string
        /** Of the session of the caller. */
        readonly refresh_token: string
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      /** A JWT (RFC 9068); send it as Bearer. */
      readonly access_token: string
      readonly token_type: 'Bearer'
      /** Seconds. */
      readonly expires_in: number
      /** Good for one refresh. Not here but in a cookie for who sent `Sallyport-Session: cookie`. */
      readonly refresh_token?: string | undefined
      readonly user: {
        readonly id: string
        readonly email: string
        readonly username: string
        readonly organizationId: string
        readonly roles: readonly string[]
        readonly permissions: readonly string[]
      }
    } }
  }
  /** Show the password again. For what answers 401 `reauthentication-required`: use the access token of the answer from then on. The session and its refresh token go on. */
  readonly reauthenticate: {
    readonly request: {
      readonly body: {
        readonly password: string
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      /** A JWT (RFC 9068); send it as Bearer. */
      readonly access_token: string
      readonly token_type: 'Bearer'
      /** Seconds. */
      readonly expires_in: number
    } }
  }
  /** End the session */
  readonly logOut: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** The person who is calling, or who made the API key */
  readonly readMe: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly email: string
      readonly username: string
      readonly organizationId: string
      readonly roles: readonly string[]
      readonly permissions: readonly string[]
      /** Where it is an API key that is calling. */
      readonly apiKey?: {
        readonly id: string
        readonly name: string
        readonly expiresAt: string
      } | undefined
    } }
  }
  /** Get a mail by which to verify one’s e-mail address. It holds a token, good once and for an hour; a newer one takes its place. One mail in a minute. 409 for an address that is verified. */
  readonly requestEmailVerification: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Verify an e-mail address */
  readonly verifyEmail: {
    readonly request: {
      readonly body: {
        readonly token: string
      }
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Make an API key. For a program: it is sent as Bearer wherever an access token is. Only a person with a verified e-mail address who has logged in a short while ago makes one. The key is shown once. */
  readonly createApiKey: {
    readonly request: {
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly name: string
        /** What the key may do at most; it never may more than whoever made it may at that moment. */
        readonly scopes: readonly ('organization:read' | 'organization:write' | 'members:read' | 'members:write' | 'invitations:read' | 'invitations:write' | 'roles:read' | 'roles:write' | 'api-keys:read' | 'api-keys:write' | 'api-keys:oversee' | 'groups:read' | 'groups:write' | 'provisioning:read' | 'devices:read' | 'devices:write' | 'devices:command' | 'telemetry:read' | 'audit:read' | 'events:read' | 'jobs:read' | 'jobs:write')[]
        /** At most 366 days from now. */
        readonly expiresAt: string
        /** Addresses or networks (CIDR) from which the key may be used. Empty: from anywhere. */
        readonly allowedAddresses?: readonly string[] | undefined
        /** Where it is less than a person may make, which is the limit of a key that has none of its own. */
        readonly requestsPerMinute?: number | undefined
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly id: string
      /** What the key begins with, so that one that is found somewhere can be told. */
      readonly prefix: string
      readonly name: string
      readonly madeBy: string
      readonly scopes: readonly string[]
      readonly allowedAddresses: readonly string[]
      readonly requestsPerMinute: number | null
      readonly state: 'active' | 'expired' | 'revoked'
      readonly createdAt: string
      readonly expiresAt: string
      readonly revokedAt: string | null
      /** To the minute. */
      readonly lastUsedAt: string | null
      readonly lastUsedAddress: string | null
      /** The same as the ETag. */
      readonly version: number
      /** The key itself. It is not shown again. */
      readonly key: string
    } }
  }
  /** API keys, without the keys themselves. One’s own; with `api-keys:oversee` those of everybody in the organization. */
  readonly listApiKeys: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        /** What the key begins with, so that one that is found somewhere can be told. */
        readonly prefix: string
        readonly name: string
        readonly madeBy: string
        readonly scopes: readonly string[]
        readonly allowedAddresses: readonly string[]
        readonly requestsPerMinute: number | null
        readonly state: 'active' | 'expired' | 'revoked'
        readonly createdAt: string
        readonly expiresAt: string
        readonly revokedAt: string | null
        /** To the minute. */
        readonly lastUsedAt: string | null
        readonly lastUsedAddress: string | null
        /** The same as the ETag. */
        readonly version: number
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** An API key, without the key itself */
  readonly readApiKey: {
    readonly request: {
      readonly apiKeyId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      /** What the key begins with, so that one that is found somewhere can be told. */
      readonly prefix: string
      readonly name: string
      readonly madeBy: string
      readonly scopes: readonly string[]
      readonly allowedAddresses: readonly string[]
      readonly requestsPerMinute: number | null
      readonly state: 'active' | 'expired' | 'revoked'
      readonly createdAt: string
      readonly expiresAt: string
      readonly revokedAt: string | null
      /** To the minute. */
      readonly lastUsedAt: string | null
      readonly lastUsedAddress: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Change an API key. Scopes may only become fewer: whoever needs more makes another key. */
  readonly changeApiKey: {
    readonly request: {
      readonly apiKeyId: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        readonly name?: string | undefined
        /** What the key may do at most; it never may more than whoever made it may at that moment. */
        readonly scopes?: readonly ('organization:read' | 'organization:write' | 'members:read' | 'members:write' | 'invitations:read' | 'invitations:write' | 'roles:read' | 'roles:write' | 'api-keys:read' | 'api-keys:write' | 'api-keys:oversee' | 'groups:read' | 'groups:write' | 'provisioning:read' | 'devices:read' | 'devices:write' | 'devices:command' | 'telemetry:read' | 'audit:read' | 'events:read' | 'jobs:read' | 'jobs:write')[] | undefined
        /** Addresses or networks (CIDR) from which the key may be used. Empty: from anywhere. */
        readonly allowedAddresses?: readonly string[] | undefined
        readonly requestsPerMinute?: number | null | undefined
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      /** What the key begins with, so that one that is found somewhere can be told. */
      readonly prefix: string
      readonly name: string
      readonly madeBy: string
      readonly scopes: readonly string[]
      readonly allowedAddresses: readonly string[]
      readonly requestsPerMinute: number | null
      readonly state: 'active' | 'expired' | 'revoked'
      readonly createdAt: string
      readonly expiresAt: string
      readonly revokedAt: string | null
      /** To the minute. */
      readonly lastUsedAt: string | null
      readonly lastUsedAddress: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Revoke an API key. Within a second no node takes it any more. Invitations that were given with it and not accepted go too. */
  readonly revokeApiKey: {
    readonly request: {
      readonly apiKeyId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** The organization of the caller */
  readonly readOrganization: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Rename the organization */
  readonly renameOrganization: {
    readonly request: {
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        readonly name: string
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** The organizations of the caller. `POST /api/v1/auth/organization` goes on in another one of them. */
  readonly listOrganizations: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly name: string
        /** What the person is in it. */
        readonly roles: readonly string[]
        readonly joinedAt: string
        /** Whether this session is in it. */
        readonly current: boolean
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Make an organization. The caller is its owner, and goes on in it by `POST /api/v1/auth/organization`. Who may make one is said by the installation (`policy-violated`, policy `organization-creation`); so is how many one person may (policy `organization-limit`). */
  readonly createOrganization: {
    readonly request: {
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly name: string
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly id: string
      readonly name: string
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Join the organization that invited. With the account of the address that was invited; for another one the token is refused as if it were not good. The session stays where it is: `POST /api/v1/auth/organization` goes on in the new organization. */
  readonly joinOrganization: {
    readonly request: {
      readonly body: {
        readonly token: string
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly organizationId: string
      readonly id: string
      readonly email: string
      readonly username: string
      readonly roles: readonly string[]
      readonly createdAt: string
      readonly emailVerifiedAt: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** The people of the organization */
  readonly listMembers: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly email: string
        readonly username: string
        readonly roles: readonly string[]
        readonly createdAt: string
        readonly emailVerifiedAt: string | null
        /** The same as the ETag. */
        readonly version: number
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** A person of the organization */
  readonly readMember: {
    readonly request: {
      readonly userId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly email: string
      readonly username: string
      readonly roles: readonly string[]
      readonly createdAt: string
      readonly emailVerifiedAt: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Give and take roles. Nobody gives or takes a role that allows more than they may themselves (`policy-violated`, policy `no-escalation`); the last owner stays one (policy `last-owner`). Open invitations by the member are revoked. */
  readonly changeMemberRoles: {
    readonly request: {
      readonly userId: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        /** Built-in roles and own ones. */
        readonly roles: readonly string[]
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly email: string
      readonly username: string
      readonly roles: readonly string[]
      readonly createdAt: string
      readonly emailVerifiedAt: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Remove a person from the organization. Within a second no token of theirs is good any more, and their open invitations are revoked. The last owner cannot be removed. */
  readonly removeMember: {
    readonly request: {
      readonly userId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** What roles there are, and what they allow */
  readonly listRoles: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly name: string
        readonly builtIn: boolean
        readonly permissions: readonly string[]
        readonly updatedAt: string | null
        /** Null for a built-in role. */
        readonly version: number | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Make a role of the organization’s own. Nobody makes a role that allows more than they may themselves. */
  readonly createRole: {
    readonly request: {
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly name: string
        readonly permissions: readonly ('organization:read' | 'organization:write' | 'members:read' | 'members:write' | 'invitations:read' | 'invitations:write' | 'roles:read' | 'roles:write' | 'api-keys:read' | 'api-keys:write' | 'api-keys:oversee' | 'groups:read' | 'groups:write' | 'provisioning:read' | 'devices:read' | 'devices:write' | 'devices:command' | 'telemetry:read' | 'audit:read' | 'events:read' | 'jobs:read' | 'jobs:write')[]
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly name: string
      readonly builtIn: boolean
      readonly permissions: readonly string[]
      readonly updatedAt: string | null
      /** Null for a built-in role. */
      readonly version: number | null
    } }
  }
  /** What a role allows */
  readonly readRole: {
    readonly request: {
      readonly role: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly name: string
      readonly builtIn: boolean
      readonly permissions: readonly string[]
      readonly updatedAt: string | null
      /** Null for a built-in role. */
      readonly version: number | null
    } }
  }
  /** Change what a role of the organization’s own allows */
  readonly changeRole: {
    readonly request: {
      readonly role: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        readonly permissions: readonly ('organization:read' | 'organization:write' | 'members:read' | 'members:write' | 'invitations:read' | 'invitations:write' | 'roles:read' | 'roles:write' | 'api-keys:read' | 'api-keys:write' | 'api-keys:oversee' | 'groups:read' | 'groups:write' | 'provisioning:read' | 'devices:read' | 'devices:write' | 'devices:command' | 'telemetry:read' | 'audit:read' | 'events:read' | 'jobs:read' | 'jobs:write')[]
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly name: string
      readonly builtIn: boolean
      readonly permissions: readonly string[]
      readonly updatedAt: string | null
      /** Null for a built-in role. */
      readonly version: number | null
    } }
  }
  /** Delete a role of the organization’s own. Refused while somebody has it or is invited to it. */
  readonly deleteRole: {
    readonly request: {
      readonly role: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Invitations into the organization */
  readonly listInvitations: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly email: string
        readonly roles: readonly string[]
        readonly state: 'open' | 'accepted' | 'revoked' | 'expired'
        /** The id of the member who invited. */
        readonly invitedBy: string
        readonly createdAt: string
        readonly expiresAt: string
        readonly acceptedAt: string | null
        /** The member that came of it. */
        readonly userId: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Invite somebody into the organization. The invited person gets a token by mail, with which they join, once, within seven days. Without a mail server the answer holds it: hand it on over a way that only they read. An open invitation for the same address is revoked. Nobody invites to a role that allows more than they may themselves. */
  readonly createInvitation: {
    readonly request: {
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly email: string
        /** Built-in roles and own ones. */
        readonly roles: readonly string[]
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly id: string
      readonly email: string
      readonly roles: readonly string[]
      readonly state: 'open' | 'accepted' | 'revoked' | 'expired'
      /** The id of the member who invited. */
      readonly invitedBy: string
      readonly createdAt: string
      readonly expiresAt: string
      readonly acceptedAt: string | null
      /** The member that came of it. */
      readonly userId: string | null
      /** Where no mail goes out; shown this once. */
      readonly token?: string | undefined
    } }
  }
  /** Join the organization that invited. For who has no account: log in afterwards. A username that is taken answers 409 and leaves the invitation open; so does an address that has an account (`sign-in-to-accept`): sign in, and `POST /api/v1/organizations/join` with the token. */
  readonly acceptInvitation: {
    readonly request: {
      readonly body: {
        readonly token: string
        readonly username: string
        readonly password: string
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly id: string
      readonly email: string
      readonly username: string
      readonly roles: readonly string[]
      readonly createdAt: string
      readonly emailVerifiedAt: string | null
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Revoke an open invitation */
  readonly revokeInvitation: {
    readonly request: {
      readonly invitationId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Enrollment groups */
  readonly listEnrollmentGroups: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly name?: string | undefined
      readonly state?: 'pending-proof' | 'active' | 'disabled' | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly name: string
        readonly state: 'pending-proof' | 'active' | 'disabled'
        /** PEM. */
        readonly certificateChain: string
        /** Common name of the authority that issues to the devices. */
        readonly leadCertificateName: string
        /** A device that is silent for longer counts as offline. */
        readonly expectedIntervalSeconds: number
        /** Whether devices with a pre-shared key may be registered in it, and come in. */
        readonly allowsPsk: boolean
        readonly createdAt: string
        readonly updatedAt: string
        /** The same as the ETag. */
        readonly version: number
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Enroll the devices of a manufacturer’s authority */
  readonly createEnrollmentGroup: {
    readonly request: {
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly name: string
        /** PEM: the authority that issues to the devices first, its issuers after it. */
        readonly certificateChain: string
        /** Common name of the authority that issues to the devices; the first of the chain unless told. */
        readonly leadCertificateName?: string | undefined
        readonly expectedIntervalSeconds?: number | undefined
        /** Certificates alone unless it is true. */
        readonly allowsPsk?: boolean | undefined
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      readonly id: string
      readonly name: string
      readonly state: 'pending-proof' | 'active' | 'disabled'
      /** PEM. */
      readonly certificateChain: string
      /** Common name of the authority that issues to the devices. */
      readonly leadCertificateName: string
      /** A device that is silent for longer counts as offline. */
      readonly expectedIntervalSeconds: number
      /** Whether devices with a pre-shared key may be registered in it, and come in. */
      readonly allowsPsk: boolean
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** An enrollment group */
  readonly readEnrollmentGroup: {
    readonly request: {
      readonly groupId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly state: 'pending-proof' | 'active' | 'disabled'
      /** PEM. */
      readonly certificateChain: string
      /** Common name of the authority that issues to the devices. */
      readonly leadCertificateName: string
      /** A device that is silent for longer counts as offline. */
      readonly expectedIntervalSeconds: number
      /** Whether devices with a pre-shared key may be registered in it, and come in. */
      readonly allowsPsk: boolean
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Change an enrollment group */
  readonly changeEnrollmentGroup: {
    readonly request: {
      readonly groupId: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        readonly name?: string | undefined
        /** PEM: the authority that issues to the devices first, its issuers after it. */
        readonly certificateChain?: string | undefined
        /** Common name of the authority that issues to the devices; the first of the chain unless told. */
        readonly leadCertificateName?: string | undefined
        readonly expectedIntervalSeconds?: number | undefined
        /** Certificates alone unless it is true. */
        readonly allowsPsk?: boolean | undefined
        readonly state?: 'active' | 'disabled' | undefined
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly state: 'pending-proof' | 'active' | 'disabled'
      /** PEM. */
      readonly certificateChain: string
      /** Common name of the authority that issues to the devices. */
      readonly leadCertificateName: string
      /** A device that is silent for longer counts as offline. */
      readonly expectedIntervalSeconds: number
      /** Whether devices with a pre-shared key may be registered in it, and come in. */
      readonly allowsPsk: boolean
      readonly createdAt: string
      readonly updatedAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Delete an enrollment group */
  readonly deleteEnrollmentGroup: {
    readonly request: {
      readonly groupId: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Register a device with a pre-shared key. In a group that allows it. The answer is what the device needs to sign up at the gateway: its id, the PSK identity (`id`), the key, and a code for one sign-up within ten minutes. */
  readonly registerPskDevice: {
    readonly request: {
      readonly groupId: string
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        readonly name?: string | undefined
        /** Hexadecimal, 16 to 64 random bytes. A key is made where none is given. */
        readonly key?: string | undefined
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      /** The PSK identity that the device names itself with. */
      readonly id: string
      readonly deviceId: string
      readonly deviceName: string
      readonly enrollmentGroupId: string
      /** Active once the device has signed in with it; its older keys are superseded then. */
      readonly state: 'issued' | 'active' | 'superseded' | 'revoked'
      readonly createdAt: string
      readonly firstSignedInAt: string | null
      readonly endedAt: string | null
      /** Hexadecimal. It is not shown again. */
      readonly key: string
      /** For one sign-up. It is not shown again. */
      readonly onboardingCode: string
      readonly onboardingCodeExpiresAt: string
    } }
  }
  /** Pre-shared keys of devices. Without the keys themselves. */
  readonly listPsks: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly deviceId?: string | undefined
      readonly groupId?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        /** The PSK identity that the device names itself with. */
        readonly id: string
        readonly deviceId: string
        readonly deviceName: string
        readonly enrollmentGroupId: string
        /** Active once the device has signed in with it; its older keys are superseded then. */
        readonly state: 'issued' | 'active' | 'superseded' | 'revoked'
        readonly createdAt: string
        readonly firstSignedInAt: string | null
        readonly endedAt: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Replace the pre-shared key of a device. The new key has an identity of its own (`id`). The old one is good until the device signs in with the new. */
  readonly replacePsk: {
    readonly request: {
      readonly deviceId: string
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: {
        /** Hexadecimal, 16 to 64 random bytes. A key is made where none is given. */
        readonly key?: string | undefined
      }
    }
    readonly answer: { readonly status: 201; readonly body: {
      /** The PSK identity that the device names itself with. */
      readonly id: string
      readonly deviceId: string
      readonly deviceName: string
      readonly enrollmentGroupId: string
      /** Active once the device has signed in with it; its older keys are superseded then. */
      readonly state: 'issued' | 'active' | 'superseded' | 'revoked'
      readonly createdAt: string
      readonly firstSignedInAt: string | null
      readonly endedAt: string | null
      /** Hexadecimal. It is not shown again. */
      readonly key: string
    } }
  }
  /** Make a code for one sign-up of a device with a pre-shared key. Good for ten minutes; it takes the place of earlier ones that were not used. */
  readonly createOnboardingCode: {
    readonly request: {
      readonly deviceId: string
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: { readonly status: 201; readonly body: {
      /** For one sign-up. It is not shown again. */
      readonly onboardingCode: string
      readonly onboardingCodeExpiresAt: string
    } }
  }
  /** Revoke a pre-shared key. Its device is disconnected within a second. With its last key its tokens and codes end too. */
  readonly revokePsk: {
    readonly request: {
      readonly pskId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** How devices came, step by step */
  readonly listProvisioningRecords: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly deviceId?: string | undefined
      readonly groupId?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly enrollmentGroupId: string
        readonly deviceId: string | null
        readonly manufacturer: {
          readonly commonName: string | null
          readonly publicKeySha256: string
        }
        /** Where the device was last seen. */
        readonly remote: string
        readonly createdAt: string
        readonly updatedAt: string
        readonly steps: readonly {
          readonly step: string
          readonly at: string
          readonly coapCode: string
          readonly errorCode: string | null
          readonly detail: string | null
          /** How often the device asked for the step. */
          readonly attempts: number
        }[]
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** How a device came */
  readonly readProvisioningRecord: {
    readonly request: {
      readonly recordId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly enrollmentGroupId: string
      readonly deviceId: string | null
      readonly manufacturer: {
        readonly commonName: string | null
        readonly publicKeySha256: string
      }
      /** Where the device was last seen. */
      readonly remote: string
      readonly createdAt: string
      readonly updatedAt: string
      readonly steps: readonly {
        readonly step: string
        readonly at: string
        readonly coapCode: string
        readonly errorCode: string | null
        readonly detail: string | null
        /** How often the device asked for the step. */
        readonly attempts: number
      }[]
    } }
  }
  /** Devices */
  readonly listDevices: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly online?: boolean | undefined
      readonly name?: string | undefined
      readonly label?: string | readonly string[] | undefined
      readonly groupId?: string | undefined
      /** A part of the name or the id. */
      readonly q?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly name: string
        readonly labels: Readonly<Record<string, string>>
        readonly enrollmentGroupId: string
        /** Signed in, and heard of within its expected interval. */
        readonly online: boolean
        readonly lastSeenAt: string | null
        readonly registeredAt: string
        /** The same as the ETag. */
        readonly version: number
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** A device */
  readonly readDevice: {
    readonly request: {
      readonly deviceId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly labels: Readonly<Record<string, string>>
      readonly enrollmentGroupId: string
      /** Signed in, and heard of within its expected interval. */
      readonly online: boolean
      readonly lastSeenAt: string | null
      readonly registeredAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Name or label a device */
  readonly changeDevice: {
    readonly request: {
      readonly deviceId: string
      /** The `ETag` that was read. Needed. */
      readonly ifMatch?: string | undefined
      readonly body: {
        readonly name?: string | undefined
        /** Names and values of your own. */
        readonly labels?: Readonly<Record<string, string>> | undefined
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly name: string
      readonly labels: Readonly<Record<string, string>>
      readonly enrollmentGroupId: string
      /** Signed in, and heard of within its expected interval. */
      readonly online: boolean
      readonly lastSeenAt: string | null
      readonly registeredAt: string
      /** The same as the ETag. */
      readonly version: number
    } }
  }
  /** Forget a device. Its association is closed within a second; it may be provisioned again. */
  readonly deleteDevice: {
    readonly request: {
      readonly deviceId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** The resources of a device */
  readonly listResources: {
    readonly request: {
      readonly deviceId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly href: string
        readonly resourceTypes: readonly string[]
        readonly interfaces: readonly string[]
        /** Whether the device lists the resource now. */
        readonly published: boolean
        /** Any JSON value. */
        readonly representation: unknown
        readonly representationAt: string | null
        /** Counts what the device reported; 0 before the first report. */
        readonly version: number
      }[]
      readonly nextCursor: null
    } }
  }
  /** A resource of a device. With `twin=false` the device is asked; `Prefer: wait=N` says for how many seconds (10 unless told). */
  readonly readResource: {
    readonly request: {
      readonly twin?: boolean | undefined
      readonly deviceId: string
      /** The resource's href without its first slash. */
      readonly href: string
      /** `wait=N`: seconds to wait for the device’s answer, 0 to 60; 10 unless told. */
      readonly prefer?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly href: string
      readonly resourceTypes: readonly string[]
      readonly interfaces: readonly string[]
      /** Whether the device lists the resource now. */
      readonly published: boolean
      /** Any JSON value. */
      readonly representation: unknown
      readonly representationAt: string | null
      /** Counts what the device reported; 0 before the first report. */
      readonly version: number
    } | {
      readonly href: string
      /** Any JSON value. */
      readonly representation: unknown
      /** The device's own response code. */
      readonly coapCode: string
      readonly commandId: string
    } }
  }
  /** Update a resource on the device. 200 with the device’s answer; 202 with the pending command when the device is offline or does not answer within 10 s (`Prefer: wait=N` for another time). */
  readonly updateResource: {
    readonly request: {
      readonly deviceId: string
      /** The resource's href without its first slash. */
      readonly href: string
      /** `wait=N`: seconds to wait for the device’s answer, 0 to 60; 10 unless told. */
      readonly prefer?: string | undefined
      /** A name of your own for this request (a UUID is a good one). Repeated with it within 24 h, the request gets the answer that it got. */
      readonly idempotencyKey?: string | undefined
      readonly body: unknown
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly href: string
      /** Any JSON value. */
      readonly representation: unknown
      /** The device's own response code. */
      readonly coapCode: string
      readonly commandId: string
    } } | { readonly status: 202; readonly body: {
      readonly id: string
      readonly deviceId: string
      readonly href: string
      readonly method: string
      readonly state: 'pending' | 'sent' | 'succeeded' | 'refused' | 'outcome-unknown' | 'expired'
      readonly coapCode: string | null
      readonly errorCode: string | null
      /** Any JSON value. */
      readonly representation: unknown
      readonly createdAt: string
      readonly expiresAt: string
      readonly finishedAt: string | null
    } }
  }
  /** Commands to a device, the newest first */
  readonly listCommands: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly deviceId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly deviceId: string
        readonly href: string
        readonly method: string
        readonly state: 'pending' | 'sent' | 'succeeded' | 'refused' | 'outcome-unknown' | 'expired'
        readonly coapCode: string | null
        readonly errorCode: string | null
        /** Any JSON value. */
        readonly representation: unknown
        readonly createdAt: string
        readonly expiresAt: string
        readonly finishedAt: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** A command and what became of it */
  readonly readCommand: {
    readonly request: {
      readonly deviceId: string
      readonly commandId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly deviceId: string
      readonly href: string
      readonly method: string
      readonly state: 'pending' | 'sent' | 'succeeded' | 'refused' | 'outcome-unknown' | 'expired'
      readonly coapCode: string | null
      readonly errorCode: string | null
      /** Any JSON value. */
      readonly representation: unknown
      readonly createdAt: string
      readonly expiresAt: string
      readonly finishedAt: string | null
    } }
  }
  /** What a device measured. Without `name` the last value of each measurement; with it a range of one, the newest first. */
  readonly readTelemetry: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      readonly limit?: number | undefined
      readonly name?: string | undefined
      readonly from?: string | undefined
      readonly to?: string | undefined
      readonly deviceId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly name: string
        readonly at: string
        /** Bytes are written as base64url. */
        readonly value: number | string | boolean
        /** A SenML unit (RFC 8428 section 12.1). */
        readonly unit: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** Live events of the organization (server-sent events). Each event has its topic as name and its id for `Last-Event-ID`. `reset` says that events since that id are lost and the present state must be read; `end` comes before the feed ends, as it does with the access token. */
  readonly followEvents: {
    readonly request: {
      /** Topics, separated by commas; `device.*` is all of one kind. */
      readonly topic?: string | undefined
      /** Ids of devices, separated by commas. */
      readonly deviceId?: string | undefined
      /** Ids of enrollment groups, separated by commas: their devices and themselves. */
      readonly groupId?: string | undefined
      /** The id of an event, for who cannot send it as `Last-Event-ID`, which goes before. */
      readonly after?: string | undefined
      readonly lastEventId?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: string }
  }
  /** A ticket that opens one web socket. Good once, for 30 s: open `/api/v1/socket` with the subprotocols `sallyport.v1` and `ticket.` followed by the ticket. */
  readonly createSocketTicket: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 201; readonly body: {
      readonly ticket: string
      readonly expiresInSeconds: number
    } }
  }
  /** The AsyncAPI document of the live events */
  readonly readAsyncApi: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: Readonly<Record<string, unknown>> }
  }
  /** The audit trail */
  readonly listAuditEvents: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly type?: string | undefined
      readonly actorId?: string | undefined
      readonly subjectId?: string | undefined
      readonly correlationId?: string | undefined
      readonly outcome?: 'succeeded' | 'failed' | undefined
      readonly from?: string | undefined
      readonly to?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly type: string
        readonly severity: string
        readonly outcome: string
        readonly occurredAt: string
        readonly actor: {
          readonly kind: string
          readonly id: string
          readonly name: string | null
        }
        readonly subject: {
          readonly kind: string
          readonly id: string
        }
        readonly correlationId: string
        readonly address: string | null
        /** By type. */
        readonly details: unknown
        /** What tells of a person is kept sealed: `address`, and fields of the details. Null where it is not `opened`: the person was erased, or the HSM does not answer now. */
        readonly sealed: Readonly<Record<string, 'opened' | 'erased' | 'unavailable'>>
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** The audit trail with what proves it, as lines of JSON. From the last signed head before `from` to the first one after `to`: the organization’s events in full, of all others their hashes alone, the signed heads and the keys that signed them. `sallyport audit verify` proves the file without the installation; without its last line it was cut off. */
  readonly exportAuditEvents: {
    readonly request: {
      readonly from?: string | undefined
      readonly to?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: string }
  }
  /** Jobs, such as mails to be sent. Dead ones wait for somebody to retry or drop them, for 30 days; finished ones are shown for 7. */
  readonly listJobs: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      readonly state?: 'queued' | 'running' | 'waiting' | 'done' | 'dead' | 'dropped' | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly kind: string
        /** What it does to whom. */
        readonly about: string
        readonly state: 'queued' | 'running' | 'waiting' | 'done' | 'dead' | 'dropped'
        /** Tries begun since it was added, or retried by hand. */
        readonly attempts: number
        readonly lastErrorCode: string | null
        readonly lastError: string | null
        /** Of the request or datagram that caused it. */
        readonly correlationId: string
        readonly createdAt: string
        readonly lastAttemptAt: string | null
        readonly finishedAt: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** One job */
  readonly readJob: {
    readonly request: {
      readonly jobId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly kind: string
      /** What it does to whom. */
      readonly about: string
      readonly state: 'queued' | 'running' | 'waiting' | 'done' | 'dead' | 'dropped'
      /** Tries begun since it was added, or retried by hand. */
      readonly attempts: number
      readonly lastErrorCode: string | null
      readonly lastError: string | null
      /** Of the request or datagram that caused it. */
      readonly correlationId: string
      readonly createdAt: string
      readonly lastAttemptAt: string | null
      readonly finishedAt: string | null
    } }
  }
  /** Drop a job that has not been done. One that is running or finished is 409. */
  readonly dropJob: {
    readonly request: {
      readonly jobId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Retry a dead job. Once the reason for its failure is gone. A job that is not dead is 409. */
  readonly retryJob: {
    readonly request: {
      readonly jobId: string
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly id: string
      readonly kind: string
      /** What it does to whom. */
      readonly about: string
      readonly state: 'queued' | 'running' | 'waiting' | 'done' | 'dead' | 'dropped'
      /** Tries begun since it was added, or retried by hand. */
      readonly attempts: number
      readonly lastErrorCode: string | null
      readonly lastError: string | null
      /** Of the request or datagram that caused it. */
      readonly correlationId: string
      readonly createdAt: string
      readonly lastAttemptAt: string | null
      readonly finishedAt: string | null
    } }
  }
  /** The caller's notifications. They are kept for 90 days. New ones come over the live feed as `notification.created`. */
  readonly listNotifications: {
    readonly request: {
      /** nextCursor of the page before. */
      readonly cursor?: string | undefined
      /** Items in a page; 50 unless told. */
      readonly limit?: number | undefined
      /** Only unread ones, or only read ones. */
      readonly unread?: boolean | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly id: string
        readonly kind: 'login-from-new-address' | 'devices-offline' | 'job-dead'
        /** By kind. */
        readonly data: unknown
        readonly createdAt: string
        readonly readAt: string | null
      }[]
      readonly nextCursor: string | null
    } }
  }
  /** How many notifications the caller has not read */
  readonly countUnreadNotifications: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly count: number
    } }
  }
  /** Mark a notification as read. Again changes nothing. */
  readonly markNotificationRead: {
    readonly request: {
      readonly notificationId: string
    }
    readonly answer: { readonly status: 204; readonly body: undefined }
  }
  /** Mark all notifications as read */
  readonly markNotificationsRead: {
    readonly request: {
      /** Those created later stay unread: nobody has seen them. */
      readonly until?: string | undefined
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly marked: number
    } }
  }
  /** By which ways the caller is told of what */
  readonly readNotificationPreferences: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly kind: 'login-from-new-address' | 'devices-offline' | 'job-dead'
        readonly inApp: boolean
        readonly mail: boolean
        /** False: `mail` is false and stays so. */
        readonly canBeMailed: boolean
      }[]
    } }
  }
  /** Say by which ways to be told of what */
  readonly changeNotificationPreferences: {
    readonly request: {
      readonly body: {
        readonly items: readonly {
          readonly kind: 'login-from-new-address' | 'devices-offline' | 'job-dead'
          readonly inApp: boolean
          readonly mail: boolean
        }[]
      }
    }
    readonly answer: { readonly status: 200; readonly body: {
      readonly items: readonly {
        readonly kind: 'login-from-new-address' | 'devices-offline' | 'job-dead'
        readonly inApp: boolean
        readonly mail: boolean
        /** False: `mail` is false and stays so. */
        readonly canBeMailed: boolean
      }[]
    } }
  }
  /** The public keys that verify our tokens */
  readonly readSigningKeys: {
    readonly request: Readonly<Record<string, never>>
    readonly answer: { readonly status: 200; readonly body: {
      readonly keys: readonly Readonly<Record<string, unknown>>[]
    } }
  }
}

/** What went wrong (RFC 9457). */
export type Problem = {
  /** Stable for each code. */
  readonly type: string
  readonly title: string
  readonly status: number
  /** One of the codes of docs/errors.md. */
  readonly code: string
  readonly detail: string
  /** The path of the request. */
  readonly instance: string
  readonly correlationId: string
  readonly details?: Readonly<Record<string, unknown>> | undefined
}
