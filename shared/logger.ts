import { Console } from 'node:console'
import { LogFormatter, Logger, LogItem } from '@aws-lambda-powertools/logger'
import type { LogAttributes } from '@aws-lambda-powertools/logger/types'
import { config } from './config.ts'
import { escapeHidden } from './hidden-characters.ts'

/**
 * Keys that postgres.js adds to its errors while SQL_ECHO is on. They include values from users, which don't belong in
 * a log.
 */
const PRIVATE_ERROR_KEYS = ['query', 'parameters', 'args', 'types']

class Formatter extends LogFormatter {
  override formatAttributes(
    attributes: Parameters<LogFormatter['formatAttributes']>[0],
    additional: LogAttributes,
  ): LogItem {
    const { logLevel, timestamp, message, serviceName, lambdaContext } = attributes
    return new LogItem({
      attributes: {
        level: logLevel,
        timestamp: this.formatTimestamp(timestamp),
        message,
        service: serviceName,
        function_name: lambdaContext?.functionName,
        request_id: lambdaContext?.awsRequestId,
        cold_start: lambdaContext?.coldStart || undefined,
      },
    }).addAttributes(additional)
  }

  override formatError(error: Error) {
    const formatted = super.formatError(error)
    for (const key of PRIVATE_ERROR_KEYS) delete formatted[key]
    return formatted
  }
}

const output = new Console({ stdout: process.stdout, stderr: process.stderr })

/**
 * Prints JSON as Powertools does, and to the same streams. Escapes characters that would change how a line looks on a
 * terminal.
 */
class JsonLogger extends Logger {
  protected override printLog(_level: number, item: LogItem): void {
    item.prepareForPrint()
    const attributes = item.getAttributes()
    const line = escapeHidden(JSON.stringify(attributes, this.getJsonReplacer()))
    if (ON_STDOUT.includes(String(attributes.level))) output.log(line)
    else output.error(line)
  }
}

const ON_STDOUT = ['TRACE', 'DEBUG', 'INFO']

/** Attributes that every line has, but that are of no use on a terminal. */
const CONTEXT_KEYS = ['service', 'function_name', 'cold_start']

/** Prints human-readable lines: time, level, message, then the attributes as key=value. */
class ReadableLogger extends Logger {
  protected override printLog(_level: number, item: LogItem): void {
    item.prepareForPrint()
    const { timestamp, level, message, error, ...rest } = item.getAttributes()
    const pairs = Object.entries(rest)
      .filter(([key]) => !CONTEXT_KEYS.includes(key))
      .map(([key, value]) => `${key}=${isOneLine(value) ? value : JSON.stringify(value)}`)
    const line = [timestamp, level, message, ...pairs].join(' ')
    process.stdout.write(escapeHidden(`${line}\n${stackOf(error)}`))
  }
}

/**
 * Returns whether a value is text without control characters. A path with a line break must not look like two log
 * lines.
 */
const isOneLine = (value: unknown): value is string => typeof value === 'string' && !/\p{Cc}/u.test(value)

function stackOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  const { stack, message } = error as { stack?: unknown; message?: unknown }
  return `${String(stack ?? message)}\n`
}

const options = {
  serviceName: 'task-scheduler',
  logLevel: config().logLevel,
  logFormatter: new Formatter(),
}

/** The process's only logger. LOG_LEVEL and LOG_JSON set its level and format. */
export const logger = config().logJson ? new JsonLogger(options) : new ReadableLogger(options)

/** Whether INFO lines are printed. Code that runs thousands of times a second checks this before it builds a line. */
export const logsInfo = config().logLevel === 'DEBUG' || config().logLevel === 'INFO'
