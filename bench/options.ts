import { parseArgs } from 'node:util'

export type Options = {
  quick: boolean
  /** Names of rows; empty for all. */
  rows: string[]
  /** Names of systems; empty for all systems of each row. */
  systems: string[]
  /** Number of repetitions of each row; null for the row's default. */
  repetitions: number | null
  json: string | null
  svg: string | null
}

const usage = `npm run bench -- [--quick] [--rows drain,lateness] [--systems ours,pg-boss-best] [--repetitions 5] [--json file] [--svg file]

  --quick        use small sizes and one repetition; takes less than a minute, and only shows that everything runs
  --rows         the rows to measure (default: all)
  --systems      the systems to measure (default: all)
  --repetitions  the number of repetitions of each row (default: depends on the row); the report shows medians
  --json         write every single result to a file, from which bench/report.ts generates docs/benchmarks.md
  --svg          write a chart of the medians to a file

PostgreSQL: the server of DATABASE_URL if set, with a role that may create databases; otherwise an embedded one.`

/** Parses the command line. Returns null after printing the usage for `--help`. Throws an Error for invalid options. */
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
    throw new Error(`--repetitions: must be a positive whole number\n${usage}`)
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
