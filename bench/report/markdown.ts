import type { Results } from '../results.ts'
import { rows as allRows } from '../rows/all.ts'
import type { Row } from '../rows/row.ts'
import { systems } from '../systems/catalogue.ts'
import { type Table, tablesOf } from './table.ts'

const head = `# Benchmarks

<!-- Made by: node bench/report.ts --svg docs/benchmarks.svg results.json > docs/benchmarks.md -->

\`npm run bench\` measures this scheduler beside pg-boss, graphile-worker and agenda, all on one PostgreSQL, and beside the
least that PostgreSQL itself must do (pgbench).

![Medians](benchmarks.svg)

## To repeat it

\`\`\`sh
npm run bench -- --json results.json
node bench/report.ts --svg docs/benchmarks.svg results.json > docs/benchmarks.md
\`\`\`

\`--rows\`, \`--systems\` and \`--repetitions\` choose; \`--quick\` only shows that everything runs, within a minute. The first run installs the
peers into \`bench/node_modules\`; the product doesn't depend on them. With \`DATABASE_URL\` it uses that server, by a role that may create
databases; else an embedded one, in a temporary folder, that is as durable as in production. The floor needs \`pgbench\` on the path
(Debian: \`apt-get install postgresql-contrib\`).

## How it is measured

- Each system runs in a process of its own, in a database of its own, one after the other on the same server: A B C, A B C, as often as there
  are repetitions. After a checkpoint another process fills the tables, which are then vacuumed and analyzed.
- Numbers are medians, with the range in brackets. The last column is the ratio to ours inside a repetition, again the median: noise
  that lasts for a minute meets all systems. Trust ratios first, then CPU and WAL per run, and single rates last.
- A handler does nothing but note the time. Ours is the runner \`sleep\` with a duration of 0, in the container's own process with its API.
- CPU of the server is that of all its processes, from \`/proc\`, in steps of 10 ms; of the client that of the system's process. WAL counts the whole
  server. Foreign CPU is how much of the machine other processes used: don't trust a row where it is high.
- Event loop max is how late a timer of the process came at most, for whatever reason: with as many busy processes as here more than half of that is waiting for a core. The most own
  CPU at a stretch is what its thread used between two timers 5 ms apart: what its own work holds up (garbage collection among it), and up to 5 ms more. Where a system does little in a second that
  sampling is much of its client CPU: some 25 ms a second on this machine.
- Nobody logs. A system that isn't done in its time is named with how far it came, and isn't tried again.
- Ours keeps a row for every run, and validates, times out, retries and can cancel each; graphile-worker deletes a job that is done, and agenda keeps only the
  last run. pg-boss keeps the job's own row.

## What a run is made of

Of a drain of 100,000 one-time jobs, by a CPU profile of the process and the statistics of the server. Of the process' own time (some 18 us a run, 15 once its
code is compiled) a fifth is garbage collection, a sixth writes to the sockets, a sixth JSON of rows and arrays of parameters, a seventh the run itself (its
promise, its timeout, its runner); the rest is the bookkeeping of claims, starts and settlements. Of the server's time a claim takes half (lock 6 %, what the task is
10 %, cursor and open execution with an index entry each for the cursor and the key 36 %), and the settlement half (a HOT update, a ledger row, two index entries).
What was done about the largest parts: batches of 2,000 in three lanes, so that neither side waits for the other; rows as columns of JSON; no row is read that is
remembered; no promise, signal, key or clock is made that nobody asks for; the ledger is written once, and the state by HOT updates. Of the server's checks of the state
machine no cost could be measured. A larger young generation of the heap, plans that are kept, and batches of 4,000 gained nothing that could be told from noise.`

/** Returns docs/benchmarks.md; without results, everything but the numbers. */
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
    quick ? ' Quick sizes: they show that it runs, and nothing about speed.' : ''
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
