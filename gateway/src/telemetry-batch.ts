/**
 * Group commit of telemetry: what arrives within some milliseconds becomes one insert, and every request waits for the commit
 * that holds its rows.
 *
 * The buffer is bounded: when the database is slow, devices are told to come later instead of our memory growing. A batch
 * that fails fails all requests in it; none is acknowledged. Only where a value is to blame each request is tried by itself:
 * no device may spoil what others sent with it.
 */

import { type Duration, milliseconds } from '@sallyport/clock'
import { CodedError, hasCode } from '@sallyport/errors'
import type { AssociationMark } from '@sallyport/store'

export interface TelemetryBatchOptions<Row> {
  /** Resolves once the rows are committed, and the marks with them. */
  readonly append: (rows: readonly Row[], marks: readonly AssociationMark[]) => Promise<void>
  /** Rows that may wait or be under way. */
  readonly maxBufferedRows: number
  /** How long the first row of a batch waits for company; default 8 ms. */
  readonly gatherFor?: Duration
  /** Told of each committed batch: for metrics. */
  readonly onCommitted?: (rows: number) => void
}

interface Waiting<Row> {
  readonly rows: readonly Row[]
  readonly mark: AssociationMark | undefined
  committed(): void
  failed(error: unknown): void
}

/** Rows of one insert: Postgres takes 65535 parameters. */
const mostRowsAtOnce = 2000
/** Batches under way at once: more would only take database connections from others. */
const mostInFlight = 2

export class TelemetryBatch<Row> {
  readonly #options: TelemetryBatchOptions<Row>
  #waiting: Waiting<Row>[] = []
  #buffered = 0
  #inFlight = 0
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []

  constructor(options: TelemetryBatchOptions<Row>) {
    this.#options = options
  }

  /** Rows that are not committed yet. */
  get buffered(): number {
    return this.#buffered
  }

  /**
   * Resolves after the commit.
   *
   * @param mark of the record that brought the rows; undefined where there is none to commit
   * @throws CodedError `overloaded` at once when the buffer is full, or whatever the insert failed with.
   */
  add(rows: readonly Row[], mark?: AssociationMark): Promise<void> {
    if (this.#buffered + rows.length > this.#options.maxBufferedRows) {
      return Promise.reject(new CodedError('overloaded', 'Telemetry waits for the database; send it again later.'))
    }
    this.#buffered += rows.length
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, mark, committed: resolve, failed: reject })
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#flush()
      }, this.#options.gatherFor ?? milliseconds(8))
    })
  }

  /** Resolves when nothing waits any more: the last step before the database is closed. */
  async drain(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flush()
    if (this.#buffered > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#inFlight < mostInFlight) void this.#commit(this.#take())
  }

  #take(): readonly Waiting<Row>[] {
    let count = 0
    let end = 0
    for (const { rows } of this.#waiting) {
      if (end > 0 && count + rows.length > mostRowsAtOnce) break
      count += rows.length
      end += 1
    }
    return this.#waiting.splice(0, end)
  }

  async #commit(batch: readonly Waiting<Row>[]): Promise<void> {
    this.#inFlight += 1
    const settle = await this.#append(batch)
    this.#inFlight -= 1
    this.#buffered -= batch.reduce((sum, { rows }) => sum + rows.length, 0)
    settle()
    // What came meanwhile has gathered long enough.
    if (this.#timer === undefined) this.#flush()
    if (this.#buffered === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** @returns how to tell those who wait; never rejects. */
  async #append(batch: readonly Waiting<Row>[]): Promise<() => void> {
    const rows = batch.flatMap((waiting) => waiting.rows)
    const marks = batch.flatMap(({ mark }) => (mark === undefined ? [] : [mark]))
    try {
      await this.#options.append(rows, marks)
      this.#options.onCommitted?.(rows.length)
      return () => {
        for (const waiting of batch) waiting.committed()
      }
    } catch (error) {
      if (batch.length > 1 && hasCode(error, 'validation-failed')) return await this.#appendEach(batch)
      return () => {
        for (const waiting of batch) waiting.failed(error)
      }
    }
  }

  async #appendEach(batch: readonly Waiting<Row>[]): Promise<() => void> {
    const settlements: (() => void)[] = []
    for (const waiting of batch) settlements.push(await this.#append([waiting]))
    return () => {
      for (const settle of settlements) settle()
    }
  }
}
