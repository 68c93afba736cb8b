/** The thread of held-socket.ts: binds, says where, and blocks before anything could be read. */

import { createSocket } from 'node:dgram'
import { parentPort, workerData } from 'node:worker_threads'

const { host, port } = workerData as { readonly host: string; readonly port: number }
const receiveBufferBytes = 4 * 1024 * 1024

const socket = createSocket({
  type: 'udp4',
  recvBufferSize: receiveBufferBytes,
  // An answer at once: the socket is bound, and this thread blocked, within one turn of its event loop.
  lookup: (address, _options, callback) => callback(null, address, 4),
})
socket.on('error', (error) => {
  throw error
})
socket.bind({ address: host, port, exclusive: true }, () => {
  parentPort?.postMessage(socket.address())
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
