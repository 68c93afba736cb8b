/** Times as people read them. */

/** In the zone of the machine, to the second; empty for null. */
export function shownTime(text: string | null | undefined): string | undefined {
  if (text === null || text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) return text
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}
