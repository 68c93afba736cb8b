/** Where things are: the checkout, and the home that takes everything a run writes. */

import { join, resolve } from 'node:path'

export const checkoutRoot = resolve(import.meta.dirname, '..', '..', '..')

/** Node 24 of the checkout, whatever the machine's own `node` is. */
export const nodeProgram = join(checkoutRoot, 'node_modules', '.bin', 'node')

export const mainOf = (packageFolder: string): string => join(checkoutRoot, packageFolder, 'src', 'main.ts')
