export interface Migration {
  readonly version: number
}

export async function migrate(_options: { readonly connectionString: string }): Promise<{ readonly applied: readonly string[] }> {
  return { applied: [] }
}
