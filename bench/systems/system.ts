import type { Recorder } from '../worker/recorder.ts'
import type { Seed, Settings } from './settings.ts'

/** A scheduler in a process of its own. */
export type System = {
  /** Creates its schema in an empty database. */
  install(): Promise<void>
  seed(seed: Seed): Promise<void>
  /**
   * Starts to work, and tells the recorder of each run as its handler starts. Returns the URL of its API, if it has
   * one.
   */
  start(recorder: Recorder): Promise<string | null>
  stop(): Promise<void>
  /** Polls once while there is no work. */
  idle?(): Promise<void>
}

export type OpenSystem = (settings: Settings) => Promise<System>
