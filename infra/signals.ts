export type StopSignals = {
  /** Resolves at the first SIGINT or SIGTERM: stop. */
  first: Promise<void>
  /** Aborts at the second: stop waiting for what runs. */
  second: AbortSignal
}

/** A terminal's Ctrl-C reaches this process twice, from the terminal and through npm: that is still the first one. */
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
