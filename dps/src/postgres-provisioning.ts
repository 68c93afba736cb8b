/** The provisioning ports on the database. */

import type { Store } from '@sallyport/store'
import type { RecordRefusal } from './peer-verification.ts'
import type { AdmissionFailureStore, AdmissionStore, IssuanceStore, RecordStore } from './provisioning-store.ts'

export interface ProvisioningStore {
  readonly admission: AdmissionStore
  readonly failures: AdmissionFailureStore
  readonly records: RecordStore
  readonly issuances: IssuanceStore
  readonly recordRefusal: RecordRefusal
}

export function provisioningStoreOf(store: Store): ProvisioningStore {
  return {
    admission: {
      groupsByAuthoritySubjects: (subjects) => store.enrollmentGroups.findByAuthoritySubjects([...subjects]),
      group: (id) => store.enrollmentGroups.readForDevice(id),
      recordedIdentity: (sha256) => store.certificates.findRecorded(sha256),
      recordAdmission: (recordId) => store.provisioning.admission(recordId),
    },
    failures: { count: (rows) => store.auditEvents.countAdmissionFailures([...rows]) },
    records: {
      begin: async (record, act) => {
        await store.provisioning.begin(record, act)
      },
      recordStep: (recordId, step, outcome, act) => store.provisioning.recordStep(recordId, step, outcome, act),
      claimDevice: (claim, act) => store.provisioning.claimDevice(claim, act),
    },
    issuances: {
      findRepeat: async (of) => (await store.certificates.findRepeat({ ...of, profile: 'identity' }))?.der,
      begin: async (intent, act) => {
        const { issuanceId } = await store.certificates.beginIssuance({ ...intent, profile: 'identity' }, act)
        return issuanceId
      },
      complete: (issuance, act) => store.certificates.completeIssuance(issuance, act),
      fail: (issuanceId, code, act) => store.certificates.failIssuance(issuanceId, code, act),
      orphans: (olderThan) => store.certificates.findOrphans(olderThan),
    },
    recordRefusal: async ({ code, detail, proven }, act) => {
      const { organizationId, recordId, certificateSha256, commonName } = proven
      await store.auditEvents.recordAdmissionRefusal(
        {
          code,
          detail,
          certificateSha256,
          ...(organizationId === undefined ? {} : { organizationId }),
          ...(recordId === undefined ? {} : { recordId }),
          ...(commonName === undefined ? {} : { commonName }),
        },
        act,
      )
    },
  }
}
