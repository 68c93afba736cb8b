/**
 * node-coap's parameters for many devices in one process.
 *
 * Its defaults keep every exchange for 247 s (RFC 7252 section 4.8.2, a latency of 100 s). Here no copy of a message can
 * arrive late: the DTLS replay window drops it. Only retransmissions of the peer remain, which end within 45 s, so a latency of
 * 5 s keeps deduplication whole at a quarter of the memory.
 */

import { updateTiming } from 'coap'

/** Bytes of cached answers a server keeps for deduplication, for one association. */
export const answerCacheBytes = 16_384

export function setCoapTiming(): void {
  updateTiming({ ackTimeout: 2, ackRandomFactor: 1.5, maxRetransmit: 4, maxLatency: 5, pruneTimerPeriod: 20 })
}
