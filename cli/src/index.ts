/** For tests: a run of the command line without a process. The command itself is `src/main.ts`. */

export { runSallyport } from './run-sallyport.ts'
export type { Sink, Surroundings } from './surroundings.ts'
