/** What a command needs from the process that it runs in. */
export interface CommandSurroundings {
  /** Milliseconds since the epoch. */
  now(): number
  /** One line on standard output. */
  print(line: string): void
}
