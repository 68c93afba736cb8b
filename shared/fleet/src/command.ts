/**
 * A customer's request to a device, and how it may go on.
 *
 *   pending ──claimed by the gateway──► sent ──the device's answer──► succeeded | refused
 *      │                                  └──no answer──────────────► outcome-unknown (an update) | expired (a read)
 *      └──────time is over, or refused before it was sent───────────► expired | refused
 *
 * A finished command never changes again. It is sent at most once: an update whose answer was lost may have been carried out.
 */

export const commandStates = ['pending', 'sent', 'succeeded', 'refused', 'outcome-unknown', 'expired'] as const
export type CommandState = (typeof commandStates)[number]
export type FinishedCommandState = Exclude<CommandState, 'pending' | 'sent'>

export const commandMethods = ['GET', 'POST'] as const
export type CommandMethod = (typeof commandMethods)[number]

const successors: Readonly<Record<CommandState, readonly CommandState[]>> = {
  pending: ['sent', 'expired', 'refused'],
  sent: ['succeeded', 'refused', 'outcome-unknown', 'expired'],
  succeeded: [],
  refused: [],
  'outcome-unknown': [],
  expired: [],
}

export const mayFollow = (from: CommandState, to: CommandState): boolean => successors[from].includes(to)

/** The states from which `to` can be reached in one step. */
export const predecessorsOf = (to: CommandState): readonly CommandState[] =>
  commandStates.filter((state) => mayFollow(state, to))

export const isFinishedState = (state: CommandState): state is FinishedCommandState => successors[state].length === 0

/** What becomes of a command that was sent and will not be answered any more. */
export const stateWithoutAnswer = (method: CommandMethod): FinishedCommandState =>
  method === 'GET' ? 'expired' : 'outcome-unknown'
