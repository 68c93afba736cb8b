/** Payloads of database notifications: JSON objects with text fields. What is no such thing has no fields. */

export function notificationFields(payload: string): Readonly<Record<string, string | undefined>> {
  try {
    const parsed: unknown = JSON.parse(payload)
    if (typeof parsed !== 'object' || parsed === null) return {}
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => typeof value === 'string'))
  } catch {
    return {}
  }
}
