/** What most files of tests begin with: one installation, one gateway in it, and devices that are signed in there. */

import type { CoapResource } from '@sallyport/coaps'
import { afterAll, beforeAll } from 'vitest'
import {
  DeviceAtGateway,
  type GatewayUnderTest,
  type InstallationAroundGateway,
  installationAroundGateway,
  type ProvisionedDevice,
  type Tokens,
} from './installation-around-gateway.ts'

export interface GatewayForFile {
  /** From `beforeAll` on. */
  readonly installation: InstallationAroundGateway
  readonly under: GatewayUnderTest
  signedIn(resources?: readonly CoapResource<undefined>[], tlsVersion?: 'TLSv1.2' | 'TLSv1.3'): Promise<SignedInDevice>
}

export interface SignedInDevice {
  readonly device: ProvisionedDevice
  readonly connected: DeviceAtGateway
  readonly tokens: Tokens
}

/** Around all the tests of the file that calls it. */
export function gatewayForFile(options: Parameters<typeof installationAroundGateway>[0] = {}): GatewayForFile {
  let installation: InstallationAroundGateway | undefined
  let under: GatewayUnderTest | undefined
  beforeAll(async () => {
    installation = await installationAroundGateway(options)
    under = await installation.startGateway()
  })
  afterAll(() => installation?.close())
  return {
    get installation() {
      return started(installation)
    },
    get under() {
      return started(under)
    },
    async signedIn(resources, tlsVersion) {
      const device = await started(installation).provision()
      const connected = await DeviceAtGateway.connect(started(under).gateway, device, resources, tlsVersion)
      const tokens = await connected.enter(device.code)
      return { device, connected, tokens }
    },
  }
}

function started<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('nothing is there before the tests begin')
  return part
}
