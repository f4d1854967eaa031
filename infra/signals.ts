export type StopSignals = {
  /** Resolves at the first SIGINT or SIGTERM, which means stop. */
  first: Promise<void>
  /** Aborts at the second one, which means don't wait for what runs. */
  second: AbortSignal
}

/** A terminal's Ctrl-C reaches this process twice, directly and through npm. That still counts as the first one. */
const ECHO_MS = 1000

/** From now on SIGINT and SIGTERM no longer end this process by themselves. */
export function listenForSignals(): StopSignals {
  const second = new AbortController()
  const first = new Promise<void>((resolve) => {
    let at: number | undefined
    const on = (): void => {
      if (at !== undefined && performance.now() - at > ECHO_MS) second.abort()
      at ??= performance.now()
      resolve()
    }
    process.on('SIGINT', on).on('SIGTERM', on)
  })
  return { first, second: second.signal }
}
