/** The routes of audit, in the order of the API document. */

import { registerExportAuditEvents } from './export-audit-events.ts'
import { registerListAuditEvents } from './list-audit-events.ts'

export const auditRoutes = [registerListAuditEvents, registerExportAuditEvents]
