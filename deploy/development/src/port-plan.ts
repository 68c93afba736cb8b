/** The ports of a run: the fixed ones of `make run`, moved by SALLYPORT_PORT_OFFSET, or free ones for a test. */

import { SetupFailure } from './failure.ts'
import { expectPortFree, freeTcpPort } from './free-port.ts'

export interface PortPlan {
  readonly postgres: number
  readonly redis: number
  /** 0 where the service takes a free port and reports it. */
  readonly http: number
  readonly internal: number
  readonly controlPlaneManagement: number
  readonly dpsManagement: number
  readonly gatewayManagement: number
  readonly gatewayCoaps: number
  readonly dpsCoaps: number
  readonly gatewayCoapsTcp: number
  readonly dpsCoapsTcp: number
  readonly smtp: number
}

const fixed: PortPlan = {
  postgres: 15432,
  redis: 16379,
  http: 8080,
  internal: 8443,
  controlPlaneManagement: 9080,
  dpsManagement: 9081,
  gatewayManagement: 9082,
  gatewayCoaps: 5684,
  dpsCoaps: 15684,
  gatewayCoapsTcp: 5684,
  dpsCoapsTcp: 15684,
  smtp: 10025,
}

const purposes: Readonly<Record<keyof PortPlan, { readonly protocol: 'tcp' | 'udp'; readonly purpose: string }>> = {
  postgres: { protocol: 'tcp', purpose: 'Postgres' },
  redis: { protocol: 'tcp', purpose: 'Redis' },
  http: { protocol: 'tcp', purpose: 'HTTP API' },
  internal: { protocol: 'tcp', purpose: 'HTTP between services' },
  controlPlaneManagement: { protocol: 'tcp', purpose: 'management of the control plane' },
  dpsManagement: { protocol: 'tcp', purpose: 'management of the dps' },
  gatewayManagement: { protocol: 'tcp', purpose: 'management of the gateway' },
  gatewayCoaps: { protocol: 'udp', purpose: 'CoAP over DTLS at the gateway' },
  dpsCoaps: { protocol: 'udp', purpose: 'CoAP over DTLS at the dps' },
  gatewayCoapsTcp: { protocol: 'tcp', purpose: 'CoAP over TLS at the gateway' },
  dpsCoapsTcp: { protocol: 'tcp', purpose: 'CoAP over TLS at the dps' },
  smtp: { protocol: 'tcp', purpose: 'mail of development' },
}

/** @throws SetupFailure when the offset is not a whole number that keeps every port in range. */
export function fixedPorts(offset: string | undefined): PortPlan {
  const by = Number(offset ?? '0')
  if (!Number.isInteger(by) || by < 0 || by > 65_535 - 16_379) {
    throw new SetupFailure(`SALLYPORT_PORT_OFFSET is "${offset}": give a whole number from 0 to ${65_535 - 16_379}`)
  }
  return mapPorts((name) => fixed[name] + by)
}

export async function freePorts(): Promise<PortPlan> {
  const [postgres, redis] = await Promise.all([freeTcpPort(), freeTcpPort()])
  return { ...mapPorts(() => 0), postgres, redis }
}

export async function expectPortsFree(ports: PortPlan): Promise<void> {
  for (const name of Object.keys(purposes) as (keyof PortPlan)[]) {
    const port = ports[name]
    const { protocol, purpose } = purposes[name]
    if (port !== 0) await expectPortFree(protocol, port, purpose)
  }
}

function mapPorts(portOf: (name: keyof PortPlan) => number): PortPlan {
  return {
    postgres: portOf('postgres'),
    redis: portOf('redis'),
    http: portOf('http'),
    internal: portOf('internal'),
    controlPlaneManagement: portOf('controlPlaneManagement'),
    dpsManagement: portOf('dpsManagement'),
    gatewayManagement: portOf('gatewayManagement'),
    gatewayCoaps: portOf('gatewayCoaps'),
    dpsCoaps: portOf('dpsCoaps'),
    gatewayCoapsTcp: portOf('gatewayCoapsTcp'),
    dpsCoapsTcp: portOf('dpsCoapsTcp'),
    smtp: portOf('smtp'),
  }
}
