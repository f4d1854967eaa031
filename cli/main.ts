#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { escapeHidden } from '../shared/hidden-characters.ts'
import { ApiError, connectTo, Unreachable } from './api.ts'
import { addExecutionCommands } from './executions.ts'
import { addKeyCommands } from './keys.ts'
import type { Session } from './options.ts'
import { outputTo } from './output.ts'
import { addPreviewCommand } from './preview.ts'
import { addStatsCommand } from './stats.ts'
import { addTaskCommands } from './tasks.ts'
import { addWorkerCommands } from './workers.ts'

const EXIT = { api: 1, usage: 2, unreachable: 3 }
const DEFAULT_URL = 'http://localhost:8000'

function buildProgram(): Command {
  const program = new Command('client')
    .description('Command-line client for the task scheduler')
    .option('--json', 'print the API response as JSON')
    .addHelpText(
      'after',
      `\nSettings, from the environment or .env: API_URL (default ${DEFAULT_URL}), API_KEY`,
    )
    .addHelpText(
      'after',
      'Exit codes: 1 the API rejected the request, 2 invalid usage, 3 the API cannot be reached',
    )
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
  const session = (): Session => ({
    api: connectTo(apiUrl(program), process.env.API_KEY),
    output: outputTo((text) => process.stdout.write(text), program.opts().json === true),
  })
  const all = [
    addTaskCommands,
    addExecutionCommands,
    addStatsCommand,
    addPreviewCommand,
    addWorkerCommands,
    addKeyCommands,
  ]
  for (const add of all) add(program, session)
  return program
}

function apiUrl(program: Command): string {
  const url = process.env.API_URL || DEFAULT_URL
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return url
  return program.error(`error: API_URL must be an http or https URL: ${url}`)
}

/** Runs a command and returns the exit code. */
async function main(args: string[]): Promise<number> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  try {
    await buildProgram().parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    // commander has already printed its own errors. Help isn't an error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
    if (!(error instanceof ApiError || error instanceof Unreachable)) throw error
    process.stderr.write(escapeHidden(`error: ${error.message}\n`))
    return error instanceof Unreachable ? EXIT.unreachable : EXIT.api
  }
}

// A reader such as head closes the pipe when it has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await main(process.argv.slice(2))
