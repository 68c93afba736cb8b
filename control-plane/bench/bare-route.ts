/** What Fastify costs by itself: one route that answers the bytes of a file. `node bare-route.ts <file>`; prints its port. */

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'

const body = readFileSync(process.argv[2] ?? '', 'utf8')
const server = fastify({ logger: false })
server.get('/api/v1/devices', async (_request, reply) => reply.type('application/json; charset=utf-8').send(body))
await server.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`${(server.server.address() as AddressInfo).port}\n`)
