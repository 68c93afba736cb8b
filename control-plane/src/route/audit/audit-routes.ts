/** The routes of audit, in the order of the API document. */

import { registerListAuditEvents } from './list-audit-events.ts'

export const auditRoutes = [registerListAuditEvents]
