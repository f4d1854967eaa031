import { parseArgs } from 'node:util'

export type Options = {
  quick: boolean
  /** Names of rows; empty for all of them. */
  rows: string[]
  /** Names of systems; empty for all that a row knows. */
  systems: string[]
  /** Of each row; null leaves it to the row. */
  repetitions: number | null
  json: string | null
  svg: string | null
}

const usage = `npm run bench -- [--quick] [--rows drain,lateness] [--systems ours,pg-boss-best] [--repetitions 5] [--json file] [--svg file]

  --quick        small sizes, one repetition, within a minute: shows that everything runs, and no more
  --rows         which rows, else all
  --systems      which systems, else all
  --repetitions  of each row, else as often as suits it; the report has their medians
  --json         writes every single result; bench/report.ts makes docs/benchmarks.md of it
  --svg          draws a chart of the medians

PostgreSQL: the server of DATABASE_URL, if set, by a role that may create databases; else an embedded one.`

/** Reads the command line. Throws an Error with the usage when it can't. Null: the usage was asked for. */
export function readOptions(args: string[]): Options | null {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      rows: { type: 'string', default: '' },
      systems: { type: 'string', default: '' },
      repetitions: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return null
  }
  const repetitions = values.repetitions === undefined ? null : Number(values.repetitions)
  if (repetitions !== null && !(Number.isInteger(repetitions) && repetitions > 0))
    throw new Error(`--repetitions: a whole number\n${usage}`)
  return {
    quick: values.quick,
    rows: split(values.rows),
    systems: split(values.systems),
    repetitions,
    json: values.json ?? null,
    svg: values.svg ?? null,
  }
}

const split = (list: string): string[] => list.split(',').filter((name) => name !== '')
