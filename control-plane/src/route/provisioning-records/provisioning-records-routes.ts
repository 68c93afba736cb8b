/** The routes of provisioning records, in the order of the API document. */

import { registerListProvisioningRecords } from './list-provisioning-records.ts'
import { registerReadProvisioningRecord } from './read-provisioning-record.ts'

export const provisioningRecordsRoutes = [registerListProvisioningRecords, registerReadProvisioningRecord]
