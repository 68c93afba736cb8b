/**
 * From path segments to a resource: `/a/b`, `/a/{name}` for one segment, `/a/{name*}` for one or more up to the end.
 *
 * A literal segment wins over a parameter, a parameter over a rest; the rest is joined by `/`.
 */

export interface RouteMatch<Resource> {
  readonly resource: Resource
  readonly parameters: Readonly<Record<string, string>>
}

interface Node<Resource> {
  readonly literals: Map<string, Node<Resource>>
  parameter: { readonly name: string; readonly node: Node<Resource> } | undefined
  rest: { readonly name: string; readonly resource: Resource } | undefined
  resource: Resource | undefined
}

const noParameters: Readonly<Record<string, string>> = Object.freeze({})

const emptyNode = <Resource>(): Node<Resource> => ({
  literals: new Map(),
  parameter: undefined,
  rest: undefined,
  resource: undefined,
})

export class ResourceRouter<Resource> {
  readonly #root: Node<Resource> = emptyNode()

  /** @throws RangeError for a pattern that is not one, or that another resource has */
  add(pattern: string, resource: Resource): void {
    if (!pattern.startsWith('/')) throw new RangeError(`a path begins with a slash: ${pattern}`)
    const segments = pattern === '/' ? [] : pattern.slice(1).split('/')
    let node = this.#root
    for (const [index, segment] of segments.entries()) {
      const parameter = /^\{([A-Za-z][A-Za-z0-9]*)(\*?)\}$/.exec(segment)
      if (parameter === null) {
        if (/[{}]/.test(segment)) throw new RangeError(`not a pattern: ${pattern}`)
        let next = node.literals.get(segment)
        if (next === undefined) {
          next = emptyNode()
          node.literals.set(segment, next)
        }
        node = next
        continue
      }
      const name = parameter[1] as string
      if (parameter[2] === '*') {
        if (index !== segments.length - 1 || node.rest !== undefined) throw new RangeError(`not possible: ${pattern}`)
        node.rest = { name, resource }
        return
      }
      if (node.parameter === undefined) node.parameter = { name, node: emptyNode() }
      else if (node.parameter.name !== name) throw new RangeError(`two names for one parameter: ${pattern}`)
      node = node.parameter.node
    }
    if (node.resource !== undefined) throw new RangeError(`declared twice: ${pattern}`)
    node.resource = resource
  }

  find(segments: readonly string[]): RouteMatch<Resource> | undefined {
    // Most paths are literal from end to end; those allocate nothing but the match.
    let node: Node<Resource> | undefined = this.#root
    for (const segment of segments) {
      node = node.literals.get(segment)
      if (node === undefined) return this.#search(this.#root, segments, 0, [])
    }
    return node.resource === undefined
      ? this.#search(this.#root, segments, 0, [])
      : { resource: node.resource, parameters: noParameters }
  }

  #search(
    node: Node<Resource>,
    segments: readonly string[],
    index: number,
    captured: readonly (readonly [string, string])[],
  ): RouteMatch<Resource> | undefined {
    const segment = segments[index]
    if (segment === undefined) {
      return node.resource === undefined
        ? undefined
        : { resource: node.resource, parameters: Object.fromEntries(captured) }
    }
    const literal = node.literals.get(segment)
    const byLiteral = literal === undefined ? undefined : this.#search(literal, segments, index + 1, captured)
    if (byLiteral !== undefined) return byLiteral
    const { parameter, rest } = node
    if (parameter !== undefined && segment !== '') {
      const byParameter = this.#search(parameter.node, segments, index + 1, [...captured, [parameter.name, segment]])
      if (byParameter !== undefined) return byParameter
    }
    if (rest === undefined) return undefined
    const remaining = segments.slice(index).join('/')
    return { resource: rest.resource, parameters: Object.fromEntries([...captured, [rest.name, remaining]]) }
  }
}
