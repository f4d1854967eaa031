/**
 * Returns the client that an address belongs to: an IPv4 address, or an IPv6 network of 64 bits, since providers give
 * each customer a network of this size. A socket that also listens on IPv6 reports IPv4 addresses as ::ffff:127.0.0.1.
 */
export const clientOf = (address: string): string => {
  if (!address.includes(':')) return address
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice('::ffff:'.length)
  return `${expand(address).slice(0, 4).join(':')}::/64`
}

/** Returns the groups of an IPv6 address, including those that `::` stands for. */
const expand = (address: string): string[] => {
  const [head = '', tail] = address.split('::', 2).map((part) => part.split(':').filter(Boolean))
  if (tail === undefined) return [...head]
  return [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail]
}
