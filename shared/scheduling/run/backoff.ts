/**
 * Returns how many seconds to wait before the next attempt, after `failures` failed attempts (at least 1). The full
 * wait is `base`, doubled with each failure after the first, up to `cap`. Half of it is fixed, and the other half is
 * multiplied by a random number ("equal jitter", Brooker, AWS Architecture Blog, 2015), so that tasks that failed
 * together aren't retried together. `random` returns a number in [0, 1).
 */
export function backoffSeconds(
  base: number,
  cap: number,
  failures: number,
  random: () => number = Math.random,
): number {
  const whole = Math.min(cap, base * 2 ** (failures - 1))
  return whole / 2 + (whole / 2) * random()
}
