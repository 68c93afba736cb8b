/** The Redis stream that carries events, and how long it may grow before Redis trims it (Postgres keeps them all). */

export const eventStream = 'sallyport:events'

/** About this many entries: some minutes of a large fleet, some 100 MB at most. */
export const longestStream = 100_000
