/** What a `jsonb` column and `JSON.stringify` take without loss. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }
