/** The people's HTTP API: every route of `/api/v1`, the public keys, the document that describes it all. */

import { permissions } from '@sallyport/fleet'
import { createHttpServer, type HttpObserver, type HttpServer } from '@sallyport/http'
import { describeApi, registerApiDocument } from './api-document.ts'
import type { ApiPorts } from './api-ports.ts'
import { answerRepeats } from './idempotency.ts'
import { authorizePerson } from './person-access.ts'
import { limitRequests } from './request-limit.ts'
import { registerAcceptInvitation } from './route/accept-invitation.ts'
import { registerChangeDevice } from './route/change-device.ts'
import { registerChangeEnrollmentGroup } from './route/change-enrollment-group.ts'
import { registerChangeMemberRoles } from './route/change-member-roles.ts'
import { registerChangeNotificationPreferences } from './route/change-notification-preferences.ts'
import { registerChangeRole } from './route/change-role.ts'
import { registerCommandResource } from './route/command-resource.ts'
import { registerCountUnreadNotifications } from './route/count-unread-notifications.ts'
import { registerCreateEnrollmentGroup } from './route/create-enrollment-group.ts'
import { registerCreateInvitation } from './route/create-invitation.ts'
import { registerCreatePskCode } from './route/create-psk-code.ts'
import { registerCreateRole } from './route/create-role.ts'
import { registerDeleteDevice } from './route/delete-device.ts'
import { registerDeleteEnrollmentGroup } from './route/delete-enrollment-group.ts'
import { registerDeleteRole } from './route/delete-role.ts'
import { registerDropJob } from './route/drop-job.ts'
import { registerFollowEvents } from './route/follow-events.ts'
import { registerListAuditEvents } from './route/list-audit-events.ts'
import { registerListCommands } from './route/list-commands.ts'
import { registerListDevices } from './route/list-devices.ts'
import { registerListEnrollmentGroups } from './route/list-enrollment-groups.ts'
import { registerListInvitations } from './route/list-invitations.ts'
import { registerListJobs } from './route/list-jobs.ts'
import { registerListMembers } from './route/list-members.ts'
import { registerListNotifications } from './route/list-notifications.ts'
import { registerListProvisioningRecords } from './route/list-provisioning-records.ts'
import { registerListPsks } from './route/list-psks.ts'
import { registerListResources } from './route/list-resources.ts'
import { registerListRoles } from './route/list-roles.ts'
import { registerLogIn } from './route/log-in.ts'
import { registerLogOut } from './route/log-out.ts'
import { registerMarkNotificationRead } from './route/mark-notification-read.ts'
import { registerMarkNotificationsRead } from './route/mark-notifications-read.ts'
import { registerPublishSigningKeys } from './route/publish-signing-keys.ts'
import { registerReadCommand } from './route/read-command.ts'
import { registerReadDevice } from './route/read-device.ts'
import { registerReadEnrollmentGroup } from './route/read-enrollment-group.ts'
import { registerReadJob } from './route/read-job.ts'
import { registerReadMe } from './route/read-me.ts'
import { registerReadMember } from './route/read-member.ts'
import { registerReadNotificationPreferences } from './route/read-notification-preferences.ts'
import { registerReadOrganization } from './route/read-organization.ts'
import { registerReadProvisioningRecord } from './route/read-provisioning-record.ts'
import { registerReadResource } from './route/read-resource.ts'
import { registerReadRole } from './route/read-role.ts'
import { registerReadTelemetry } from './route/read-telemetry.ts'
import { registerRefreshSession } from './route/refresh-session.ts'
import { registerRegisterPskDevice } from './route/register-psk-device.ts'
import { registerRemoveMember } from './route/remove-member.ts'
import { registerRenameOrganization } from './route/rename-organization.ts'
import { registerReplacePsk } from './route/replace-psk.ts'
import { registerRetryJob } from './route/retry-job.ts'
import { registerRevokeInvitation } from './route/revoke-invitation.ts'
import { registerRevokePsk } from './route/revoke-psk.ts'

const registrations = [
  registerLogIn,
  registerRefreshSession,
  registerLogOut,
  registerReadMe,
  registerReadOrganization,
  registerRenameOrganization,
  registerListMembers,
  registerReadMember,
  registerChangeMemberRoles,
  registerRemoveMember,
  registerListRoles,
  registerCreateRole,
  registerReadRole,
  registerChangeRole,
  registerDeleteRole,
  registerListInvitations,
  registerCreateInvitation,
  registerAcceptInvitation,
  registerRevokeInvitation,
  registerListEnrollmentGroups,
  registerCreateEnrollmentGroup,
  registerReadEnrollmentGroup,
  registerChangeEnrollmentGroup,
  registerDeleteEnrollmentGroup,
  registerRegisterPskDevice,
  registerListPsks,
  registerReplacePsk,
  registerCreatePskCode,
  registerRevokePsk,
  registerListProvisioningRecords,
  registerReadProvisioningRecord,
  registerListDevices,
  registerReadDevice,
  registerChangeDevice,
  registerDeleteDevice,
  registerListResources,
  registerReadResource,
  registerCommandResource,
  registerListCommands,
  registerReadCommand,
  registerReadTelemetry,
  registerFollowEvents,
  registerListAuditEvents,
  registerListJobs,
  registerReadJob,
  registerRetryJob,
  registerDropJob,
  registerListNotifications,
  registerCountUnreadNotifications,
  registerMarkNotificationRead,
  registerMarkNotificationsRead,
  registerReadNotificationPreferences,
  registerChangeNotificationPreferences,
]

/** @param trustedProxies addresses or networks whose `x-forwarded-for` is believed. */
export async function createPublicServer(
  ports: ApiPorts,
  observer: HttpObserver = {},
  trustedProxies: readonly string[] = [],
): Promise<HttpServer> {
  const server = createHttpServer({
    clock: ports.clock,
    observer,
    permissions,
    ...(trustedProxies.length === 0 ? {} : { trustedProxies }),
    authorize: (request, access) => authorizePerson(request, access, ports),
  })
  await describeApi(server)
  limitRequests(server, ports)
  answerRepeats(server, ports)
  for (const register of registrations) register(server, ports)
  registerPublishSigningKeys(server, ports.publishedKeys)
  registerApiDocument(server)
  return server
}
