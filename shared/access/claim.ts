/**
 * Returns the values of a claim: the elements of a list, or the words of a text. `path` is the claim's name, or the
 * names of nested claims joined by dots. A name may itself contain dots, as in `https://tasks.example/roles`.
 */
export function claimValues(claims: object, path: string): string[] {
  const claim = find(claims, path)
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim.filter((value) => typeof value === 'string') : []
}

function find(value: unknown, path: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const entries = Object.entries(value)
  const own = entries.find(([name]) => name === path)
  if (own) return own[1]
  return entries
    .filter(([name]) => path.startsWith(`${name}.`))
    .map(([name, nested]) => find(nested, path.slice(name.length + 1)))
    .find((found) => found !== undefined)
}
