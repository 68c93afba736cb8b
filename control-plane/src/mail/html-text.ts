/** HTML with texts in it, safely: what is interpolated is escaped, unless it is HTML made the same way. */

export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

export function html(strings: TemplateStringsArray, ...parts: readonly (string | Html)[]): Html {
  return new Html(
    strings.reduce((markup, piece, index) => {
      const part = parts[index - 1] ?? ''
      return markup + (part instanceof Html ? part.markup : escaped(part)) + piece
    }),
  )
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
