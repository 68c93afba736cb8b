/**
 * Checks the structure of the tree against layers.json: who imports whom, what pure packages stay away from, and names.
 *
 * It fails, too, when it has seen fewer files than git tracks: a check that looks at nothing says nothing.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { importCycles } from './import-cycles.ts'

interface PackageRule {
  readonly folder: string
  readonly layer: number
  readonly pure?: boolean
  readonly imports: readonly string[]
}

interface LayerRules {
  readonly packages: Readonly<Record<string, PackageRule>>
  readonly thirdParty: Readonly<Record<string, string>>
}

export interface SourceFile {
  /** Path from the root of the checkout. */
  readonly path: string
  readonly text: string
}

export interface LayerReport {
  readonly filesSeen: number
  readonly violations: readonly string[]
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
const typeOnlyPattern = /(?:^|\n)\s*(?:import|export)\s+type\s[^'"`;]*?\sfrom\s['"]([^'"]+)['"]/g
const grabBag = /(?:^|\/)(?:utils?|helpers?|common|core|misc|types)(?:\.ts$|\/)/

/** What a pure package may take from Node: functions of their inputs. */
const pureModules = new Set(['node:crypto', 'node:buffer', 'node:util'])
const impure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/, 'reads the clock'],
  [/\bnew Date\(\s*\)/, 'reads the clock'],
  [/\bperformance\.now\b/, 'reads the clock'],
  [/\bMath\.random\b/, 'makes randomness'],
  [
    // A port that is handed in (`context.randomBytes(4)`) is an input; what `node:crypto` gives is not.
    /(?:(?<![.\w])|\bcrypto\.)(?:randomBytes|randomUUID|randomInt|randomFill(?:Sync)?|getRandomValues|generateKeyPair(?:Sync)?|generateKey(?:Sync)?)\s*\(/,
    'makes randomness',
  ],
  [/(?<![.#\w'])(?:setTimeout|setInterval|setImmediate)\((?!\w+\??:)/, 'sets a timer'],
  [/\bconsole\./, 'writes to the console'],
  [/\bprocess\.(?:env|stdout|stderr|argv|on|exit)\b/, 'reaches for the process'],
]

export function checkLayers(root: string): LayerReport {
  const rules = JSON.parse(readFileSync(join(root, 'layers.json'), 'utf8')) as LayerRules
  const files = trackedSources(root)
  return { filesSeen: files.length, violations: layerViolations(rules, files, (path) => existsSync(join(root, path))) }
}

function trackedSources(root: string): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const paths = listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)))
  return paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

export function layerViolations(
  rules: LayerRules,
  files: readonly SourceFile[],
  exists: (path: string) => boolean,
): string[] {
  const violations: string[] = []
  for (const [name, rule] of Object.entries(rules.packages)) {
    for (const imported of rule.imports) {
      const other = rules.packages[imported]
      if (other === undefined) violations.push(`layers.json: ${name} may import ${imported}, which is not a package`)
      else if (other.layer > rule.layer)
        violations.push(`layers.json: ${name} (layer ${rule.layer}) may not import ${imported} (layer ${other.layer})`)
    }
  }
  let checked = 0
  for (const file of files) {
    const owner = ownerOf(rules, file.path)
    if (owner === undefined) {
      if (file.path.includes('/')) violations.push(`${file.path}: belongs to no package of layers.json`)
      else checked += 1
      continue
    }
    checked += 1
    if (grabBag.test(file.path))
      violations.push(`${file.path}: a name that says nothing (util, helper, common, core, misc, types)`)
    violations.push(...fileViolations(rules, owner, file, exists))
  }
  if (checked < files.length) violations.push(`only ${checked} of ${files.length} files were checked`)
  for (const cycle of importCycles(valueImportGraph(files))) violations.push(`import cycle: ${cycle.join(' → ')}`)
  return violations
}

interface Owner {
  readonly name: string
  readonly rule: PackageRule
}

function ownerOf(rules: LayerRules, path: string): Owner | undefined {
  for (const [name, rule] of Object.entries(rules.packages)) {
    if (path.startsWith(`${rule.folder}/`)) return { name, rule }
  }
  return undefined
}

function fileViolations(
  rules: LayerRules,
  owner: Owner,
  file: SourceFile,
  exists: (path: string) => boolean,
): string[] {
  const violations: string[] = []
  const inSource = file.path.startsWith(`${owner.rule.folder}/src/`)
  for (const specifier of importsOf(file.text)) {
    const problem = importProblem(rules, owner, file, specifier, inSource, exists)
    if (problem !== undefined) violations.push(`${file.path}: ${problem}`)
  }
  if (!inSource) return violations
  const code = withoutComments(file.text)
  if (owner.rule.pure === true) {
    for (const [pattern, what] of impure)
      if (pattern.test(code)) violations.push(`${file.path}: ${what}, and ${owner.name} is pure`)
  }
  const mayReadEnvironment = file.path.endsWith('/main.ts') || owner.name === 'development'
  if (!mayReadEnvironment && /\bprocess\.(?:env|on)\b/.test(code)) {
    violations.push(`${file.path}: only main.ts reads the environment and signals`)
  }
  return violations
}

function importProblem(
  rules: LayerRules,
  owner: Owner,
  file: SourceFile,
  specifier: string,
  inSource: boolean,
  exists: (path: string) => boolean,
): string | undefined {
  if (specifier.startsWith('.')) {
    const target = join(dirname(file.path), specifier)
    if (relative(owner.rule.folder, target).startsWith('..'))
      return `${specifier} leaves the package: import it by its name`
    return exists(target) ? undefined : `${specifier} does not exist`
  }
  if (specifier.startsWith('node:')) {
    if (inSource && owner.rule.pure === true && !pureModules.has(specifier))
      return `${specifier} is not for a pure package`
    return undefined
  }
  const own = /^@sallyport\/([^/]+)(\/.*)?$/.exec(specifier)
  if (own !== null) {
    const [, name = '', rest] = own
    if (rest !== undefined) return `${specifier} reaches into a package: import @sallyport/${name}`
    if (name === owner.name || !inSource) return undefined
    return owner.rule.imports.includes(name) ? undefined : `${owner.name} may not import ${name} (layers.json)`
  }
  const thirdParty = specifier.startsWith('@')
    ? specifier.split('/').slice(0, 2).join('/')
    : (specifier.split('/')[0] ?? '')
  return thirdParty in rules.thirdParty ? undefined : `${thirdParty} is not in layers.json: add it with its reason`
}

export function importsOf(text: string): string[] {
  const found: string[] = []
  for (const match of withoutComments(text).matchAll(importPattern)) {
    const specifier = match[1] ?? match[2]
    if (specifier !== undefined) found.push(specifier)
  }
  return found
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1')
}

/** Imports that exist when the program runs: a cycle of types alone harms nobody. */
function valueImportGraph(files: readonly SourceFile[]): Map<string, string[]> {
  const graph = new Map<string, string[]>()
  for (const file of files) {
    const code = withoutComments(file.text)
    const typeOnly = new Set([...code.matchAll(typeOnlyPattern)].map((match) => match[1]))
    const targets = importsOf(code)
      .filter((specifier) => specifier.startsWith('.') && !typeOnly.has(specifier))
      .map((specifier) => join(dirname(file.path), specifier))
    graph.set(file.path, targets)
  }
  return graph
}
