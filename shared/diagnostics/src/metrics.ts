/**
 * The metrics of one service: a registry of its own with the process's figures (memory, CPU, loop lag, file descriptors)
 * and what the service adds.
 *
 * Our names begin with `sallyport_` and end in their unit. Labels are closed sets: never an id, an address or a text from a peer,
 * which would let a peer grow our memory.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface MetricOptions<Label extends string> {
  /** `sallyport_…`, with the unit at its end (`_seconds`, `_bytes`, `_total` for counters). */
  readonly name: `sallyport_${string}`
  readonly help: string
  readonly labels?: readonly Label[]
}

export interface Metrics {
  counter<const Label extends string = never>(options: MetricOptions<Label>): Counter<Label>
  /** A gauge; `collect` sets it when it is scraped. */
  gauge<const Label extends string = never>(
    options: MetricOptions<Label> & { readonly collect?: (gauge: Gauge<Label>) => void },
  ): Gauge<Label>
  /** @param options.buckets upper bounds in the unit of the name; default: 1 ms to 30 s. */
  histogram<const Label extends string = never>(
    options: MetricOptions<Label> & { readonly buckets?: readonly number[] },
  ): Histogram<Label>
  /** The exposition, as `/metrics` serves it. */
  metrics(): Promise<string>
  readonly contentType: string
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createMetrics(options: { readonly service: string }): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service: options.service })
  collectDefaultMetrics({ register: registry })
  return {
    counter: ({ name, help, labels }) => new Counter({ name, help, labelNames: labels ?? [], registers: [registry] }),
    gauge({ name, help, labels, collect }) {
      return new Gauge({
        name,
        help,
        labelNames: labels ?? [],
        registers: [registry],
        ...(collect === undefined
          ? {}
          : {
              collect() {
                collect(this)
              },
            }),
      })
    },
    histogram: ({ name, help, labels, buckets }) =>
      new Histogram({
        name,
        help,
        labelNames: labels ?? [],
        buckets: [...(buckets ?? secondsBuckets)],
        registers: [registry],
      }),
    metrics: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
