/** What files of tests about devices begin with: one control plane, its admin logged in, and an enrollment group. */

import { afterAll, beforeAll } from 'vitest'
import { RunningControlPlane, type Session } from './running-control-plane.ts'

export interface ControlPlaneForFile {
  /** From `beforeAll` on. */
  readonly running: RunningControlPlane
  /** The first admin's; a test that ends it puts another in its place. */
  session: Session
  readonly group: { readonly id: string; readonly organizationId: string }
}

/** Around all the tests of the file that calls it. */
export function controlPlaneForFile(): ControlPlaneForFile {
  let running: RunningControlPlane | undefined
  let begun: Omit<ControlPlaneForFile, 'running'> | undefined
  beforeAll(async () => {
    running = await RunningControlPlane.start()
    const session = await running.logIn()
    const { body } = await session.call('POST', '/api/v1/enrollment-groups', {
      body: { name: 'Lamps', certificateChain: running.certificates.pem('Issuing', 'Manufacturer') },
    })
    begun = { session, group: { id: body.id, organizationId: running.admin.organizationId } }
  })
  afterAll(() => running?.stop())
  return {
    get running() {
      return started(running)
    },
    get session() {
      return started(begun).session
    },
    set session(session) {
      begun = { ...started(begun), session }
    },
    get group() {
      return started(begun).group
    },
  }
}

function started<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('nothing is there before the tests begin')
  return part
}
