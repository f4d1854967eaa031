import type { Recorder } from '../worker/recorder.ts'
import type { Seed, Settings } from './settings.ts'

/** A scheduler under test, in its own process. */
export type System = {
  /** Creates the system's schema in an empty database. */
  install(): Promise<void>
  seed(seed: Seed): Promise<void>
  /**
   * Starts running jobs, and reports each run to the recorder when its handler starts. Returns the URL of the system's
   * API if it has one.
   */
  start(recorder: Recorder): Promise<string | null>
  stop(): Promise<void>
  /** Makes one scheduler pass while no job is due. */
  idle?(): Promise<void>
}

export type OpenSystem = (settings: Settings) => Promise<System>
