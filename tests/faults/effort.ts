/** How long the faults are kept up: bounded within `make test`, long by `make soak`. Seeds and sizes are printed. */

/** True for `make soak`. */
export const soaking = process.env.SALLYPORT_SOAK === '1'

export const effort = (bounded: number, long: number): number => (soaking ? long : bounded)

/** `SALLYPORT_TEST_SEED` runs a failure again. */
export const firstSeed = Number(process.env.SALLYPORT_TEST_SEED ?? (soaking ? Date.now() % 2 ** 31 : 20_261_121))

/** A figure for the reader of the run. */
export function say(text: string): void {
  process.stdout.write(`faults: ${text}\n`)
}

/** The value below which this share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds)
  })
