/** RFC 3339 as a person reads it, without guessing their zone: `2026-11-21 15:00 UTC`. */
export const shownTime = (rfc3339: string): string => `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 16)} UTC`
