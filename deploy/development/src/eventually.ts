/** Waits for something that will be so: the answer of `look` once it is neither undefined nor false. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeout = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeout
  let last: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(
        `waited ${timeout / 1000} s in vain for: ${what}`,
        last === undefined ? undefined : { cause: last },
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
