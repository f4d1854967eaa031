/** Formats a number with three significant digits and thousands separators. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 10_000) return (Math.round(value / 100) * 100).toLocaleString('en')
  if (size >= 100) return Math.round(value).toLocaleString('en')
  if (size >= 10) return value.toFixed(1)
  return size === 0 ? '0' : value.toFixed(2)
}
