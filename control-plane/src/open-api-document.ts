/** The OpenAPI document without a running control plane: the routes are declared, nothing behind them is there. */

import type { ApiPorts } from './api-ports.ts'
import { createPublicServer } from './public-server.ts'

export async function openApiDocument(): Promise<object> {
  const server = await createPublicServer(absent<ApiPorts>())
  try {
    await server.ready()
    return server.swagger()
  } finally {
    await server.close()
  }
}

/** Something of which every part is there to be named and none to be used: no handler runs while a document is made. */
function absent<Part extends object>(): Part {
  return new Proxy(Object.create(null), { get: () => absent() })
}
