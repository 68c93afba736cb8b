/**
 * What is written by the code: error codes, configuration, conformance, commands, OpenAPI, and the client's operations. `make docs` writes it,
 * `make check` fails when a part is stale.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { coapStatusOf } from '@sallyport/coaps'
import { type ErrorCode, errorCatalogue } from '@sallyport/errors'
import { problemStatus } from '@sallyport/http'
import { clientOperations, clientOperationsPath } from './client-operations.ts'
import { conformancePage, conformancePath, refreshConformance } from './conformance.ts'
import { checkoutRoot } from './home.ts'
import { runProgram } from './program.ts'

interface GeneratedPage {
  readonly path: string
  readonly text: string
}

export async function writeDocs(write: (text: string) => void): Promise<void> {
  refreshConformance()
  for (const { path, text } of await generatedPages()) {
    writeFileSync(join(checkoutRoot, path), text)
    write(`  wrote ${path}\n`)
  }
}

/** Paths of pages that differ from what the code would write. */
export async function staleDocs(): Promise<string[]> {
  const pages = await generatedPages()
  return pages.filter(({ path, text }) => !isCurrent(path, text)).map(({ path }) => path)
}

function isCurrent(path: string, text: string): boolean {
  const file = join(checkoutRoot, path)
  return existsSync(file) && readFileSync(file, 'utf8') === text
}

async function generatedPages(): Promise<GeneratedPage[]> {
  const [configuration, openapi, asyncapi, commands] = await Promise.all([
    configurationPage(),
    runProgram('control-plane', ['openapi']),
    runProgram('control-plane', ['asyncapi']),
    runProgram('cli', ['reference']),
  ])
  return [
    { path: 'docs/errors.md', text: errorsPage() },
    { path: 'docs/configuration.md', text: configuration },
    { path: conformancePath, text: conformancePage() },
    { path: 'control-plane/asyncapi.json', text: `${asyncapi.trimEnd()}\n` },
    { path: 'control-plane/openapi.json', text: `${openapi.trimEnd()}\n` },
    { path: 'docs/cli.md', text: commands },
    { path: clientOperationsPath, text: clientOperations(openapi) },
  ]
}

function errorsPage(): string {
  const rows = (Object.keys(errorCatalogue) as ErrorCode[]).sort().map((code) => {
    const { blame, title, remedy } = errorCatalogue[code]
    return `| \`${code}\` | ${blame} | ${problemStatus[code]} | ${coapStatusOf[code]} | ${title} | ${remedy} |`
  })
  return `# Errors

Every error carries one of these codes: in problem documents (RFC 9457, \`code\`), in CoAP problem details (RFC 9290), in logs,
metrics and the audit trail. Generated from \`shared/errors/src/error-catalogue.ts\` and the two edge maps by \`make docs\`.

| code | whose fault | HTTP | CoAP | meaning | what to do |
|---|---|---|---|---|---|
${rows.join('\n')}
`
}

interface DescribedSetting {
  readonly name: string
  readonly meaning: string
  readonly kind: string
  readonly default?: string
  readonly unit?: string
  readonly secret?: boolean
}

async function configurationPage(): Promise<string> {
  const services = ['control-plane', 'dps', 'gateway'] as const
  const described = await Promise.all(
    services.map(async (service) => JSON.parse(await runProgram(service, ['configuration'])) as DescribedSetting[]),
  )
  const sections = services.map((service, index) => {
    const rows = (described[index] ?? []).map(
      ({ name, kind, unit, default: standard, meaning }) =>
        `| \`${name}\` | ${kind}${unit === undefined ? '' : `, ${unit}`} | ${standard === undefined ? 'required' : standard === '' ? '–' : `\`${standard}\``} | ${meaning} |`,
    )
    return `## ${service}\n\n| variable | kind | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Configuration

Each service reads these environment variables once, at its start, and refuses to start when one is wrong, naming all that
are. Generated from the services' own declarations by \`make docs\`.

${sections.join('\n')}`
}
