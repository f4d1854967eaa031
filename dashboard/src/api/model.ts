import type { components } from './schema.d.ts'

type Schemas = components['schemas']

export type Execution = Schemas['Execution']
export type LinkedExecution = Schemas['LinkedExecution']

export type Task = Schemas['Task']

export type Outcome = Task['recent'][number]

/** `name` and `scope` are null if nobody is logged in. */
export type Session = Schemas['Session']

export type TaskCreate = Schemas['TaskCreate']

export type Stats = Schemas['Stats']

export type Bucket = Stats['buckets'][number]

export type Worker = Schemas['Worker']

export const SCOPES = ['read', 'run', 'write', 'admin']
