/**
 * Text of others on a terminal: the name of a device may hold an escape sequence that moves the cursor, or a mark that turns
 * the direction of what follows. Such characters are shown, not sent.
 */

/** C0, DEL, C1; marks that turn the direction (UAX #9) or are not seen; separators of lines. */
const dangerous =
  /[\0-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** On one line, with each such character as `\u{…}`. */
export const visibleText = (text: string): string =>
  text.replace(dangerous, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)

/** The same document, with such characters as JSON's own escapes. */
export const visibleJson = (value: unknown, indent?: number): string =>
  (JSON.stringify(value, null, indent) ?? 'null').replace(dangerous, (character) =>
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
          .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
          .join(''),
  )

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** East Asian wide characters and pictures take two columns (UAX #11). */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u

/** Columns that a text takes. */
export function textWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/** At most so many columns, the last of them `…` where something is left out. */
export function fittedText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let fitted = ''
  let width = 0
  for (const { segment } of graphemes.segment(text)) {
    width += textWidth(segment)
    if (width > columns - 1) break
    fitted += segment
  }
  return `${fitted}…`
}
