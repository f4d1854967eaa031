import { nowMs } from '../measure/usage.ts'
import type { OpenSystem, System } from '../systems/system.ts'
import type { Answer, Load, LoadResult, Request } from './protocol.ts'
import { Recorder } from './recorder.ts'

/** This process runs one system. It serves the benchmark's requests over IPC, and exits when the benchmark does. */
const send = (answer: Answer): void => {
  process.send?.(answer, undefined, {}, () => {})
}

const recorder = new Recorder((runs) => send({ kind: 'progress', runs, atMs: nowMs() }))
let opened: System | undefined

function system(): System {
  if (!opened) throw new Error('no system is open')
  return opened
}

async function handle(request: Request): Promise<unknown> {
  switch (request.call) {
    case 'open': {
      // Every module in the catalogue exports `open`.
      const { open }: { open: OpenSystem } = await import(request.module)
      opened = await open(request.settings)
      recorder.isQuiet = request.settings.goal === 'timeliness'
      return null
    }
    case 'install':
      return await system().install()
    case 'seed':
      return await system().seed(request.seed)
    case 'start':
      return await start()
    case 'idle':
      return await idle(request.times)
    case 'load':
      return await load(request.loads)
    case 'cpu':
      return recorder.cpuUs()
    case 'summary':
      return recorder.summary()
    case 'stop':
      return await system().stop()
  }
}

async function start(): Promise<string | null> {
  const url = await system().start(recorder)
  recorder.begin()
  return url
}

/** Returns the duration of each idle pass in ms, except the first pass, which also connects and plans. */
async function idle(times: number): Promise<number[]> {
  const look = system().idle
  if (!look) throw new Error('this system has no idle pass')
  const taken: number[] = []
  for (let time = 0; time <= times; time += 1) {
    const from = performance.now()
    await look()
    taken.push(performance.now() - from)
  }
  return taken.slice(1)
}

async function load(loads: Load[]): Promise<LoadResult[]> {
  // Not a literal path, since load.ts imports autocannon, and the type check must pass even if that isn't installed.
  const module = new URL('../peers/load.ts', import.meta.url).href
  const { sendLoad }: { sendLoad: (load: Load) => Promise<LoadResult> } = await import(module)
  const results: LoadResult[] = []
  for (const each of loads) results.push(await sendLoad(each))
  return results
}

process.on('message', (request: Request) => {
  handle(request).then(
    (result) => send({ kind: 'result', result: result ?? null }),
    (error: unknown) =>
      send({
        kind: 'error',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  )
})
process.on('disconnect', () => process.exit(1))
