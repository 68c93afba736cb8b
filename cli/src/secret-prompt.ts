/** Asks for a secret at the terminal, without showing what is typed. */

import type { ReadStream } from 'node:tty'

/** Resolves with the line; undefined when the person gives up (Ctrl-C, Ctrl-D on an empty line). */
export function readSecretLine(terminal: ReadStream): Promise<string | undefined> {
  return new Promise((resolve) => {
    const wasRaw = terminal.isRaw
    let typed = ''
    const end = (secret: string | undefined): void => {
      terminal.off('data', take)
      terminal.setRawMode(wasRaw)
      terminal.pause()
      resolve(secret)
    }
    const take = (chunk: Buffer | string): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') return end(typed)
        if (character === '\x03') return end(undefined)
        if (character === '\x04') {
          if (typed === '') return end(undefined)
        } else if (character === '\x7f' || character === '\b') typed = [...typed].slice(0, -1).join('')
        else if (character === '\x15') typed = ''
        else if (character >= ' ') typed += character
      }
    }
    terminal.setRawMode(true)
    terminal.setEncoding('utf8')
    terminal.on('data', take)
    terminal.resume()
  })
}
