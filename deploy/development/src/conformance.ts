/**
 * docs/conformance.md: which tests show which section of which RFC, and which attack, and what came of them when they were
 * last run. A test says so itself: its name, or that of the block around it, has `RFC 6347 section 4.2.1`, or the attack's name.
 *
 * `tests/conformance.json` lists what ought to be shown, so that what nobody shows stands there too. `make docs` lists the tests
 * there are; results are those of the last whole `make test`, kept in `tests/conformance-shown.json`, and a test whose name
 * is newer than that has none.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { checkoutRoot } from './home.ts'
import type { LocatedResult } from './test-results.ts'

interface Catalogue {
  /** RFC → its title, and its sections with their subjects. */
  readonly documents: Readonly<
    Record<string, { readonly title: string; readonly sections: Readonly<Record<string, string>> }>
  >
  /** List → the names of its attacks, as they stand in tests' names. */
  readonly attacks: Readonly<Record<string, readonly string[]>>
}

export interface ShownBy {
  readonly file: string
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped' | 'not run'
}

const catalogueFile = join(checkoutRoot, 'tests', 'conformance.json')
const shownFile = join(checkoutRoot, 'tests', 'conformance-shown.json')
const readCatalogue = (): Catalogue => JSON.parse(readFileSync(catalogueFile, 'utf8')) as Catalogue
const readShown = (): ShownBy[] =>
  existsSync(shownFile) ? (JSON.parse(readFileSync(shownFile, 'utf8')) as ShownBy[]) : []

/** As `RFC 6347 4.2.1`; a document named without a section ends with a space. */
export function sectionsIn(name: string): string[] {
  return [...name.matchAll(/RFC (\d+)(?:,? (?:§|sections? )([\d.]*\d(?:(?:, | and )[\d.]*\d)*))?/g)].flatMap(
    ([, number, sections]) => (sections ?? '').split(/, | and /).map((section) => `RFC ${number} ${section}`),
  )
}

/** Whether the attack's name stands in it by itself: F1 is not in F16. */
export function namesAttack(name: string, attack: string): boolean {
  const at = name.indexOf(attack)
  if (at < 0) return false
  const [before, after] = [name[at - 1] ?? ' ', name[at + attack.length] ?? ' ']
  return (!/[\w-]/.test(before) && !/\w/.test(after)) || namesAttack(name.slice(at + attack.length), attack)
}

/**
 * What `make docs` writes beside the page: the tests there are, by the names that stand in the sources, each with what it had
 * before. A name with places to fill in stands for all that a run has made of it.
 */
export function refreshConformance(): void {
  const list = join(checkoutRoot, 'node_modules', '.vitest-list.json')
  rmSync(list, { force: true })
  const vitest = join(checkoutRoot, 'node_modules', '.bin', 'vitest')
  execFileSync(vitest, ['list', '--staticParse', `--json=${list}`], { cwd: checkoutRoot, stdio: 'pipe' })
  const found = JSON.parse(readFileSync(list, 'utf8')) as { readonly name: string; readonly file: string }[]
  const before = Map.groupBy(readShown(), ({ file }) => file)
  const shown = found.flatMap(({ name, file }): ShownBy[] => {
    // The list has names as they stand between their quotes.
    const spoken = name.replaceAll(/\\(["'`\\])/g, '$1')
    const written = { file: relative(checkoutRoot, file), name: withoutSeparators(spoken) }
    const pattern = patternOf(written.name)
    const known = (before.get(written.file) ?? []).filter(
      (test) => test.name === written.name || pattern.test(test.name),
    )
    return known.length > 0 ? known : [{ ...written, state: 'not run' }]
  })
  writeShown(tagged([...new Map(shown.map((test) => [`${test.file} ${test.name}`, test])).values()]))
}

/** After a run: list and page. Of files that were not run, what was known stays. */
export function keepConformanceResults(results: readonly LocatedResult[]): void {
  const ran = tagged(
    results.map(({ file, name, state }) => ({
      file: relative(checkoutRoot, file),
      name: withoutSeparators(name),
      state,
    })),
  )
  const files = new Set(results.map(({ file }) => relative(checkoutRoot, file)))
  writeShown(tagged([...ran, ...readShown().filter(({ file }) => !files.has(file))]))
  writeFileSync(join(checkoutRoot, conformancePath), conformancePage())
}

const withoutSeparators = (name: string): string => name.replaceAll(' > ', ' ')

/** Of the names that a name with `${…}`, `%s` or `$name` in it may become. */
function patternOf(name: string): RegExp {
  const parts = name.split(/\$\{[^}]*\}|%[a-zA-Z%#]|\$\w+/)
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's')
}

function tagged(tests: readonly ShownBy[]): ShownBy[] {
  const attacks = Object.values(readCatalogue().attacks).flat()
  return tests
    .filter(({ name }) => sectionsIn(name).length > 0 || attacks.some((attack) => namesAttack(name, attack)))
    .sort((a, b) => (`${a.file} ${a.name}` < `${b.file} ${b.name}` ? -1 : 1))
}

function writeShown(shown: readonly ShownBy[]): void {
  writeFileSync(shownFile, `[\n${shown.map((test) => JSON.stringify(test)).join(',\n')}\n]\n`)
}

export const conformancePath = 'docs/conformance.md'
export const conformancePage = (): string => renderConformance(readCatalogue(), readShown())

/** Files that name sections which the list of tests does not have for them: a cheap look at the sources. */
export function staleConformance(): string[] {
  const shown = Map.groupBy(readShown(), ({ file }) => file)
  const files = execFileSync('git', ['ls-files', '*.test.ts'], { cwd: checkoutRoot, encoding: 'utf8' })
    .trim()
    .split('\n')
  return files.filter((file) => {
    if (!existsSync(join(checkoutRoot, file))) return shown.has(file)
    const text = readFileSync(join(checkoutRoot, file), 'utf8')
    const named = (shown.get(file) ?? []).flatMap(({ name }) => sectionsIn(name))
    const literal = [...text.matchAll(/^\s*(?:it|test|describe)\((['`])(.*?)\1/gm)].flatMap((match) =>
      sectionsIn(match[2] ?? ''),
    )
    return (
      literal.some((section) => !named.includes(section)) ||
      !named.every((section) => text.includes(section.split(' ')[1] ?? ''))
    )
  })
}

export function renderConformance({ documents, attacks }: Catalogue, shown: readonly ShownBy[]): string {
  const parts = [
    `# Conformance

What the tests show: section by section of the RFCs, and attack by attack. A test's name says what it shows; this page is
generated from the names by \`make docs\`, its results are those of the last whole \`make test\`. A row without a test says that
nothing shows it yet, and a result of "not run" that the test is newer than that run.
`,
  ]
  for (const [document, { title, sections }] of Object.entries(documents)) {
    const rows = rowsOf(document, sections, shown)
    parts.push(
      `## ${document}: ${title}\n\n| section | subject | tests | result |\n|---|---|---|---|\n${rows.join('\n')}\n`,
    )
  }
  const others = [
    ...new Set(shown.flatMap(({ name }) => sectionsIn(name).map((section) => section.split(' ', 2).join(' ')))),
  ]
    .filter((document) => documents[document] === undefined)
    .sort()
  const rows = others.map((document) =>
    row(
      [document, ''],
      shown.filter(({ name }) => name.includes(document)),
    ),
  )
  parts.push(`## Other documents\n\n| document | | tests | result |\n|---|---|---|---|\n${rows.join('\n')}\n`)
  for (const [list, names] of Object.entries(attacks)) {
    const lines = names.map((attack) =>
      row(
        [attack],
        shown.filter(({ name }) => namesAttack(name, attack)),
      ),
    )
    parts.push(`## ${list}\n\n| attack | tests | result |\n|---|---|---|\n${lines.join('\n')}\n`)
  }
  return parts.join('\n')
}

/** A test of a section that is not listed counts for the listed one above it. */
function rowsOf(document: string, sections: Readonly<Record<string, string>>, shown: readonly ShownBy[]): string[] {
  const tests = new Map<string, ShownBy[]>(Object.keys(sections).map((section) => [section, []]))
  for (const test of shown) {
    const named = sectionsIn(test.name).filter((section) => section.startsWith(`${document} `))
    for (const section of new Set(named.map((tag) => listedAbove(tag.slice(document.length + 1), sections)))) {
      tests.set(section, [...(tests.get(section) ?? []), test])
    }
  }
  return [...tests]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([section, of]) => row([section === '' ? '–' : section, sections[section] ?? ''], of))
}

function listedAbove(section: string, sections: Readonly<Record<string, string>>): string {
  if (section in sections || section === '') return section
  const above = section.split('.').slice(0, -1).join('.')
  const found = above === '' ? '' : listedAbove(above, sections)
  return found in sections && found !== '' ? found : section
}

function row(head: readonly string[], tests: readonly ShownBy[]): string {
  const shownBy = [...Map.groupBy(tests, ({ file }) => file)].map(
    ([file, of]) => `\`${file}\`: ${of.map(({ name }) => claimOf(name)).join(' · ')}`,
  )
  const states = (['passed', 'failed', 'skipped', 'not run'] as const)
    .map((state) => ({ state, count: tests.filter((test) => test.state === state).length }))
    .filter(({ count }) => count > 0)
    .map(({ state, count }) => `${count} ${state}`)
  return `| ${[...head, shownBy.join('<br>') || '**none**', states.join(', ') || '–'].join(' | ')} |`
}

/** The name without what the page says anyway: sections, and numbers of the acceptance list. */
const claimOf = (name: string): string =>
  name
    .replaceAll(/\s*(?:\(RFC \d[^)]*\)|\[\d\.\d+\])/g, '')
    .trim()
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
