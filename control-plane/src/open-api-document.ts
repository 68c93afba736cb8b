/** The API's routes without a running control plane: they are declared, nothing behind them is there. */

import { type DeclaredRoute, type HttpServer, routesOf } from '@sallyport/http'
import type { ApiPorts } from './api-ports.ts'
import { createPublicServer } from './public-server.ts'

/** The OpenAPI document. */
export const openApiDocument = (): Promise<object> => declared((server) => server.swagger())

/** Every route with what it requires. */
export const publicRoutes = (): Promise<readonly DeclaredRoute[]> => declared(routesOf)

async function declared<Result>(look: (server: HttpServer) => Result): Promise<Result> {
  const server = await createPublicServer(absent<ApiPorts>())
  try {
    await server.ready()
    return look(server)
  } finally {
    await server.close()
  }
}

/** Something of which every part is there to be named and none to be used: no handler runs while routes are looked at. */
function absent<Part extends object>(): Part {
  return new Proxy(Object.create(null), { get: () => absent() })
}
