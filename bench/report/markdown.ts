import type { Results } from '../results.ts'
import { rows as allRows } from '../rows/all.ts'
import type { Row } from '../rows/row.ts'
import { systems } from '../systems/catalogue.ts'
import { type Table, tablesOf } from './table.ts'

const head = `# Benchmarks

<!-- Made by: node bench/report.ts --svg docs/benchmarks.svg results.json > docs/benchmarks.md -->

\`npm run bench\` compares this scheduler with pg-boss, graphile-worker and agenda, all on one PostgreSQL, and with the
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
databases. Otherwise it starts an embedded server in a temporary folder, as durable as in production. The floor needs
\`pgbench\` on the path (Debian: \`apt-get install postgresql-contrib\`).

## How it is measured

- Each system runs in its own process and its own database. Systems take turns on the same server (A B C, A B C), once
  per repetition. Before each measurement comes a checkpoint; then a separate process fills the tables, which are
  vacuumed and analyzed.
- Numbers are medians, with the range in brackets. The column \`of ours\` is the median ratio to ours within a
  repetition, since noise that lasts a minute affects all systems alike. Trust these ratios most, then CPU and WAL per
  run, and single rates least.
- A handler only records the time. Ours is the \`sleep\` runner with a duration of 0, in the container's own process
  with its API.
- Server CPU covers all processes of the server, read from \`/proc\` in steps of 10 ms. Client CPU is that of the
  system's own process. WAL is counted for the whole server. Foreign CPU is the share of the machine that other
  processes used: don't trust results where it is high.
- \`event loop max\` is the longest delay of a timer in the process, whatever the cause. With this many busy processes,
  more than half of it is waiting for a core. \`own CPU burst max\` is the most CPU time that the process's thread used
  between two timers 5 ms apart. It shows how long the process's own work, including garbage collection, blocks the
  event loop, and may be up to 5 ms too high. This sampling costs about 25 ms of CPU per second on this machine, which
  is much of a system's client CPU where it does little per second.
- No system writes logs. A system that doesn't finish in time gets a note of how far it came, and isn't tried again.
- Ours keeps a row for every run. It validates each run, limits its time, retries it and can cancel it. graphile-worker
  deletes finished jobs, agenda keeps only the last run, and pg-boss keeps the job's own row.

## Where the time goes

The numbers come from a drain of 100,000 one-time jobs: a CPU profile of the process, and the server's statistics.

The process takes about 18 µs per run, or 15 µs once its code is compiled. A fifth of that is garbage collection, a
sixth is writing to sockets, a sixth is JSON for rows and array parameters, and a seventh is the run itself (its
promise, timeout and runner). The rest is bookkeeping for claims, starts and settlements.

Half of the server's time goes into claims: 6% of the total for locking, 10% for reading the task definitions, and 36%
for moving the cursor and opening the execution, with an index entry each for the cursor and the key. The other half
goes into settlements: a HOT update, a ledger row and two index entries.

The largest costs are kept down as follows. Batches of 2,000 run in three lanes, so neither side waits for the other.
Rows arrive as columns of JSON, and what is cached isn't read again. Promises, signals, keys and clocks are created only
when needed. The ledger is written once, and the state with HOT updates. The server's checks of the state machine have
no measurable cost. A larger young generation of the heap, cached plans, and batches of 4,000 brought no gain that stood
out from the noise.`

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
    quick ? ' Quick sizes: they show that everything runs, but nothing about speed.' : ''
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
