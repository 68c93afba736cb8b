/** Rows as records: a column that is null is a field that is not there. */

type Present<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], null | undefined> }

export function present<Fields extends object>(fields: Fields): Present<Fields> {
  const kept = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(kept) as Present<Fields>
}
