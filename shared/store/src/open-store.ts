import type { Clock } from '@sallyport/clock'
import { CodedError } from '@sallyport/errors'
import type { Store } from './store.ts'

export interface OpenStoreOptions {
  readonly connectionString: string
  /** Shown in pg_stat_activity. */
  readonly applicationName: string
  readonly clock: Clock
  /** Default 10. */
  readonly poolSize?: number
  readonly log?: (entry: { readonly level: 'info' | 'warn'; readonly message: string; readonly error?: unknown }) => void
}

export async function openStore(_options: OpenStoreOptions): Promise<Store> {
  throw new CodedError('internal', 'the store is being built')
}
