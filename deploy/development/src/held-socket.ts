/**
 * A bound UDP socket that this process holds and never reads, to be inherited by one start of a service after the other: while
 * the service is away datagrams wait in the kernel, and nobody gets an ICMP error. What systemd's socket units do in production.
 *
 * Node reads what it binds, and has no way to stop. So a thread binds and then blocks for good: its event loop never turns, its
 * descriptor stays, and children get it by its number.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { SetupFailure } from './failure.ts'

export interface HeldSocket {
  /** How a service knows it: `LISTEN_FDNAMES`. */
  readonly name: string
  /** For a child's `stdio`. */
  readonly descriptor: number
  readonly port: number
  /** What waits in the kernel is lost, and who sends gets ICMP errors again. */
  release(): Promise<void>
}

/** @param port 0 takes a free one. @throws SetupFailure when it cannot be bound */
export async function holdUdpSocket(name: string, host: string, port: number): Promise<HeldSocket> {
  const worker = new Worker(new URL('./held-socket-thread.ts', import.meta.url), {
    workerData: { host, port },
    // Not what our own start was given, such as a test runner's loaders.
    execArgv: [],
  })
  const bound = await new Promise<{ readonly address: string; readonly port: number }>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', (error) => reject(new SetupFailure(`${host}:${port} cannot be bound: ${error.message}`)))
  })
  // What blocks in it shall not keep our process alive.
  worker.unref()
  return {
    name,
    descriptor: descriptorOf(bound.address, bound.port),
    port: bound.port,
    release: async () => {
      await worker.terminate()
    },
  }
}

/** By its inode, as the kernel lists sockets and descriptors. */
function descriptorOf(address: string, port: number): number {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  // proc(5): the address is a number in the byte order of the machine.
  const hexAddress = address
    .split('.')
    .map((octet) => Number(octet).toString(16).toUpperCase().padStart(2, '0'))
    .reverse()
    .join('')
  const line = readFileSync('/proc/self/net/udp', 'latin1')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .find((columns) => columns[1] === `${hexAddress}:${hexPort}`)
  const target = `socket:[${line?.[9] ?? ''}]`
  const descriptor = readdirSync('/proc/self/fd').find((name) => targetOf(name) === target)
  if (descriptor === undefined) throw new SetupFailure(`the socket of ${address}:${port} is not among ours`)
  return Number(descriptor)
}

function targetOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // The one that the list itself was read by.
    return undefined
  }
}
