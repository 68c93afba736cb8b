/** Where things are: the checkout, and the home that takes everything a run writes. */

import { join, resolve } from 'node:path'

export const checkoutRoot = resolve(import.meta.dirname, '..', '..', '..')

/** Node 24 of the checkout, whatever the machine's own `node` is. */
export const nodeProgram = join(checkoutRoot, 'node_modules', '.bin', 'node')

/**
 * Where Node keeps what it has compiled: most of a program's start is that, and a start on a cold cache takes half as long again.
 * Beside the code itself, for whoever may write there may write code.
 */
export const compileCache = { NODE_COMPILE_CACHE: join(checkoutRoot, 'node_modules', '.compile-cache') } as const

export const mainOf = (packageFolder: string): string => join(checkoutRoot, packageFolder, 'src', 'main.ts')
