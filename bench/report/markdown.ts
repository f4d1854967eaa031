import type { Results } from '../results.ts'
import { rows as allRows } from '../rows/all.ts'
import type { Row } from '../rows/row.ts'
import { systems } from '../systems/catalogue.ts'
import { type Table, tablesOf } from './table.ts'

const head = `# Benchmarks

<!-- Made by: node bench/report.ts --svg docs/benchmarks.svg results.json > docs/benchmarks.md -->

\`npm run bench\` compares this scheduler with pg-boss, graphile-worker and agenda, all on one PostgreSQL server, and with the
minimum that PostgreSQL itself has to do (pgbench).

![Medians](benchmarks.svg)

## Running it

\`\`\`sh
npm run bench -- --json results.json
node bench/report.ts --svg docs/benchmarks.svg results.json > docs/benchmarks.md
\`\`\`

\`--rows\`, \`--systems\` and \`--repetitions\` select what to measure. \`--quick\` takes less than a minute and only
shows that everything runs. The first run installs the other schedulers into \`bench/node_modules\`; the product doesn't
depend on them. If \`DATABASE_URL\` is set, the benchmark uses that server, and the role must be allowed to create
databases. Otherwise it starts an embedded server in a temporary folder, with PostgreSQL's default durability settings.
The systems \`floor\` and \`floor-open-index\` need \`pgbench\` on the path. On Debian, run
\`apt-get install postgresql-contrib\`.

## How it is measured

- Each system runs in its own process with its own database. Systems take turns on the same server (A B C, A B C),
  once per repetition. Before each measurement, the server runs a checkpoint, a separate process fills the tables, and
  the tables are vacuumed and analyzed.
- Numbers are medians, with the range in brackets. \`ours\` is this scheduler. The column \`of ours\` is the median of the
  ratios to \`ours\` within each repetition, since noise that lasts a minute affects all systems alike. These ratios are
  the most reliable numbers, followed by CPU and WAL per run. Individual rates are the least reliable.
- Handlers only record the time. In \`ours\`, the handler is the \`sleep\` runner with a duration of 0. It runs in the
  same process as the API, as in the container.
- Server CPU is the CPU time of all PostgreSQL processes, read from \`/proc\` in steps of 10 ms. Client CPU is the CPU
  time of the system's own process. WAL is counted for the whole server. Unrelated CPU is the share of the machine's
  CPU time used by processes outside the measurement. Don't trust results where it is high.
- \`event loop max\` is the longest delay of a timer in the process, whatever the cause. With this many busy processes,
  more than half of that delay is spent waiting for a core. \`own CPU burst max\` is the maximum CPU time that the
  process's main thread used between two timers 5 ms apart. It shows how long the process's own work, including
  garbage collection, blocks the event loop, and may be up to 5 ms too high. This sampling costs about 25 ms of CPU
  per second on this machine, so the lateness rows, which compare the CPU time of few runs, leave it out.
- No system writes logs. If a system doesn't finish in time, a note says how many runs it completed, and it isn't
  measured again.
- \`ours\` keeps a row for every run, validates each run's params, enforces timeouts, retries failed runs, and supports
  cancellation. graphile-worker deletes finished jobs, agenda keeps only a job's last run, and pg-boss keeps the job's
  own row.

## Where the time goes

These numbers come from the server's statistics and from a CPU profile of the process, both taken during a drain of
100,000 one-time jobs.

The process uses about 18 µs of CPU per run, or 15 µs once its code is compiled. A fifth of that is garbage
collection, a sixth is writing to sockets, a sixth is encoding and decoding JSON for rows and array parameters, and a
seventh is the run itself (its promise, timeout and runner). The rest is bookkeeping for claims, starts and
settlements.

Half of the server's time goes into claims: 6% of the total for locking, 10% for reading the task definitions, and 36%
for moving the cursor and opening the execution, with one index entry for the cursor and one for the key. The other
half goes into settlements, each with a HOT update, a ledger row and two index entries.

Several measures keep the largest costs down. Batches of 2,000 executions are processed in three lanes, so the process
and the server don't wait for each other. Rows arrive as one JSON array per column, and cached definitions aren't read
again. Promises, signals, keys and clocks are created only when needed. Each ledger row is written once, and the state
is written with HOT updates. The server's checks of the state machine have no measurable cost. Enlarging the heap's
young generation, caching plans, and batches of 4,000 made no difference beyond the noise.`

/** Returns the text of docs/benchmarks.md. Without results it has everything except the numbers. */
export function markdown(results: Results | null): string {
  const settings = systems.map((it) => `| ${it.name} | ${it.settings} |`)
  return `${[
    head,
    '\n## Settings\n',
    '| system | settings |\n| --- | --- |',
    ...settings,
    `\n## Results\n\n${results ? machineOf(results) : 'Not measured yet.'}\n`,
    allRows.map((row) => section(row, results)).join('\n\n'),
  ].join('\n')}\n`
}

function machineOf({ machine, quick }: Results): string {
  const { date, cpu, cores, memoryGb, node, postgres, server, commit, versions } = machine
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${date}, commit ${commit}, ${cores} x ${cpu}, ${memoryGb} GiB, Node ${node}, ${postgres} (${server}); ${peers.join(', ')}.${
    quick ? ' Quick sizes: the numbers only show that everything runs, and say nothing about speed.' : ''
  }`
}

const section = (row: Row, results: Results | null): string =>
  [`### ${row.title}`, row.about, ...(results ? tablesOf(row, results.results).map(tableOf) : [])].join(
    '\n\n',
  )

function tableOf({ title, head, lines }: Table): string {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`
  const align = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [`**${title}**\n`, row(head), row(align), ...lines.map(row)].join('\n')
}
