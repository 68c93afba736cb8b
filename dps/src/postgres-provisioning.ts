/**
 * The provisioning ports on the database, each call in its turn: never more of them at once than there are connections.
 */

import type { HandshakeFailureCount } from '@sallyport/coaps'
import { CodedError } from '@sallyport/errors'
import type { Store } from '@sallyport/store'
import type { GatewayUris } from './gateway-choice.ts'
import type { RecordRefusal } from './peer-verification.ts'
import type { AdmissionStore, IssuanceStore, RecordStore } from './provisioning-store.ts'
import { WorkQueue } from './work-queue.ts'

export interface ProvisioningStore {
  readonly admission: AdmissionStore
  readonly countFailures: (counts: readonly HandshakeFailureCount[]) => Promise<void>
  readonly records: RecordStore
  readonly issuances: IssuanceStore
  readonly recordRefusal: RecordRefusal
  /** @throws CodedError `dependency-unavailable` while no gateway has ever started. */
  hubId(): Promise<string>
  /** The gateways whose lease is alive. */
  liveGateways(): Promise<readonly GatewayUris[]>
}

/** Waiting calls cost a closure each; their devices have given up long before the last one's turn. */
const maxWaiting = 5000

/** @param connections of the store's pool; some are left for what does not come through here. */
export function provisioningStoreOf(store: Store, connections: number): ProvisioningStore {
  const queue = new WorkQueue({ concurrency: Math.max(1, connections - 2), maxWaiting })
  const inTurn = <T>(call: () => Promise<T>): Promise<T> => queue.run(call)
  return {
    admission: {
      groupsByAuthoritySubjects: (subjects) =>
        inTurn(() => store.enrollmentGroups.findByAuthoritySubjects([...subjects])),
      group: (id) => inTurn(() => store.enrollmentGroups.readForDevice(id)),
      recordedIdentity: (sha256) => inTurn(() => store.certificates.findRecorded(sha256)),
      recordAdmission: (recordId) => inTurn(() => store.provisioning.admission(recordId)),
    },
    countFailures: (counts) => store.auditEvents.countAdmissionFailures([...counts]),
    records: {
      begin: async (record, act) => {
        await inTurn(() => store.provisioning.begin(record, act))
      },
      recordStep: (recordId, step, outcome, act) =>
        inTurn(() => store.provisioning.recordStep(recordId, step, outcome, act)),
      claimDevice: (claim, act) => inTurn(() => store.provisioning.claimDevice(claim, act)),
    },
    issuances: {
      findRepeat: async (of) =>
        (await inTurn(() => store.certificates.findRepeat({ ...of, profile: 'identity' })))?.der,
      begin: async (intent, act) => {
        const { issuanceId } = await inTurn(() =>
          store.certificates.beginIssuance({ ...intent, profile: 'identity' }, act),
        )
        return issuanceId
      },
      complete: (issuance, act) => inTurn(() => store.certificates.completeIssuance(issuance, act)),
      fail: (issuanceId, code, act) => inTurn(() => store.certificates.failIssuance(issuanceId, code, act)),
      orphans: (olderThan) => inTurn(() => store.certificates.findOrphans(olderThan)),
    },
    async hubId() {
      const hub = await inTurn(() => store.hub.read())
      if (hub === undefined) throw new CodedError('dependency-unavailable', 'no gateway has ever started')
      return hub.hubId
    },
    async liveGateways() {
      const live = await inTurn(() => store.gateways.live())
      return live.map(({ coapsUri, coapsTcpUri }) => ({ dtls: coapsUri, tls: coapsTcpUri ?? undefined }))
    },
    recordRefusal: async ({ code, detail, proven }, act) => {
      const { organizationId, recordId, certificateSha256, commonName } = proven
      await inTurn(() =>
        store.auditEvents.recordAdmissionRefusal(
          {
            code,
            detail,
            certificateSha256,
            ...(organizationId === undefined ? {} : { organizationId }),
            ...(recordId === undefined ? {} : { recordId }),
            ...(commonName === undefined ? {} : { commonName }),
          },
          act,
        ),
      )
    },
  }
}
