import { existsSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { type Config, readConfig } from '../../shared/config.ts'
import type { Database } from '../../shared/db.ts'
import { listenHost } from '../../shared/listen-host.ts'
import { DATA_FOLDER, type LocalPostgres, startPostgres } from '../postgres/postgres.ts'
import { listenForSignals, type StopSignals } from '../signals.ts'
import { welcome } from '../welcome.ts'
import { forgetAws, functionEnvironment } from './environment.ts'
import { findPort } from './find-port.ts'
import { correctHttp, type HapiServer } from './http.ts'
import type { OfflineScheduler } from './scheduler.ts'

const LOOPBACK = '127.0.0.1'

/** serverless-offline's default. */
const LAMBDA_PORT = 3002

/** Grace period for requests in progress at shutdown, in milliseconds. */
const LAST_REQUESTS_MS = 5000

/** The parts of the framework that are used here. */
type Framework = {
  service: {
    functions: Record<string, { name: string; events: object[] }>
    provider: { environment: Record<string, unknown> }
  }
  pluginManager: { getPlugins(): object[] }
  classes: { Error: new (message: string) => Error }
}

/** The serverless-offline plugin. Its own tests also access the server through `internals`. */
type Offline = { end(skipExit: true): Promise<void>; internals(): { getApiGatewayServer(): HapiServer } }

/** Command-line options. They take precedence over `custom` in serverless.yml. */
type Options = Record<string, unknown>

const toUrl = (host: string, port: number): string => `http://${isIPv6(host) ? `[${host}]` : host}:${port}`

type Session = {
  settings: Config
  signals: StopSignals
  sql: Database
  postgres: LocalPostgres | undefined
  apiUrl: string
  lambdaUrl: string
}

/**
 * The second local runtime. Makes `serverless offline start` do what the other runtimes do besides running functions:
 * migrate the database before it starts, run the tick, and leave nothing behind at shutdown.
 */
export default class OfflinePlugin {
  readonly hooks = {
    'before:offline:start': () =>
      this.#refuse('run "serverless offline start": without "start" there is no tick'),
    'before:offline:start:init': () => this.#prepare().catch((error: Error) => this.#refuse(error.message)),
    'after:offline:start:init': () => this.#run(),
    'before:offline:start:end': () => this.#stop(),
  }
  readonly #framework: Framework
  readonly #options: Options
  #session: Session | undefined
  #scheduler: OfflineScheduler | undefined
  #asked = false

  constructor(framework: Framework, options: Options) {
    this.#framework = framework
    this.#options = options
  }

  async #prepare(): Promise<void> {
    if (existsSync('.env')) process.loadEnvFile('.env')
    forgetAws(process.env)
    // Each function and each concurrent invocation has a worker thread. With V8's default semi-space size of 16 MB, the
    // threads would use a quarter more memory.
    setFlagsFromString('--max-semi-space-size=1')
    const settings = readConfig(process.env)
    const urls = await this.#choosePorts(settings)
    const signals = listenForSignals()
    void signals.first.then(() => {
      this.#asked = true
    })
    const postgres = settings.databaseUrl ? undefined : await startPostgres(DATA_FOLDER)
    try {
      const databaseUrl = settings.databaseUrl ?? postgres?.url ?? ''
      this.#fillService(functionEnvironment(process.env, databaseUrl, urls.lambdaUrl))
      // Imported after .env has been loaded, since these modules read the settings.
      const { connect, LONG_LIMITS } = await import('../../shared/db.ts')
      const { migrateWhenReady } = await import('../migrations/migrate.ts')
      const sql = connect(databaseUrl, { max: 1, limits: LONG_LIMITS })
      this.#session = { settings, signals, sql, postgres, ...urls }
      await Promise.race([migrateWhenReady(sql), signals.first])
    } catch (error) {
      await this.#session?.sql.end({ timeout: 1 })
      await postgres?.stop()
      throw error
    }
    await this.#exitIfAsked(() => this.#close())
  }

  /**
   * Chooses the host and the ports. The API and the emulated Lambda API listen on the same host. The emulated Lambda
   * API requires no key, so the default is 127.0.0.1 even if API_KEY is set. Any other host must be set explicitly.
   */
  async #choosePorts(settings: Config): Promise<Pick<Session, 'apiUrl' | 'lambdaUrl'>> {
    const host = settings.host === undefined ? LOOPBACK : listenHost(settings, false)
    const httpPort = await findPort(host, Number(this.#options.httpPort ?? settings.port))
    const lambdaPort = await findPort(host, Number(this.#options.lambdaPort ?? LAMBDA_PORT))
    Object.assign(this.#options, { host, httpPort, lambdaPort, disableCookieValidation: true })
    const local = host === '0.0.0.0' || host === '::' ? LOOPBACK : host
    return { apiUrl: toUrl(host, httpPort), lambdaUrl: toUrl(local, lambdaPort) }
  }

  #fillService(environment: Record<string, unknown>): void {
    const { functions, provider } = this.#framework.service
    // The rest of serverless.yml's environment is for AWS: secrets by reference, and Amazon's certificates.
    const { EXECUTE_FUNCTION_NAME } = provider.environment
    provider.environment = { ...environment, EXECUTE_FUNCTION_NAME }
    // Schedules are removed, since serverless-offline would fire them only once a minute.
    for (const fn of Object.values(functions)) fn.events = fn.events.filter((event) => !('schedule' in event))
  }

  async #run(): Promise<void> {
    const { settings, sql, postgres, apiUrl, lambdaUrl } = this.#current()
    correctHttp(this.#offline().internals().getApiGatewayServer())
    const { logger } = await import('../../shared/logger.ts')
    // serverless-offline doesn't await `Event` invocations. Without this listener, a failed invocation would end the
    // process.
    process.on('unhandledRejection', (error) => logger.error('unhandled rejection', error as Error))
    if (settings.schedulerEnabled) {
      const { startOfflineScheduler } = await import('./scheduler.ts')
      const tickUrl = `${lambdaUrl}/2015-03-31/functions/${this.#framework.service.functions.tick?.name}/invocations`
      this.#scheduler = startOfflineScheduler(sql, tickUrl, settings)
    }
    if (!apiUrl.includes(LOOPBACK)) {
      logger.warn('the emulated Lambda API, on the same host as the API, requires no key', { lambdaUrl })
    }
    welcome(apiUrl, settings.keys.length > 0 || settings.oidc !== undefined, postgres)
    await this.#exitIfAsked(() => this.#stop())
  }

  /**
   * Stops the workers before their claims are handed back. Otherwise an execution could start again elsewhere while it
   * is still running here.
   */
  async #stop(): Promise<void> {
    const { settings, signals } = this.#current()
    const { logger } = await import('../../shared/logger.ts')
    try {
      await this.#scheduler?.drain(settings.shutdownGraceSeconds, signals.second)
      await this.#offline().internals().getApiGatewayServer().stop({ timeout: LAST_REQUESTS_MS })
      await this.#offline().end(true)
      await this.#scheduler?.giveBack()
    } catch (error) {
      // The database may be down. In that case, the executions that this process held are recovered once their leases
      // expire.
      logger.error('could not stop cleanly', error as Error)
    } finally {
      await this.#close()
    }
  }

  async #close(): Promise<void> {
    const { sql, postgres } = this.#current()
    await sql.end({ timeout: 1 })
    await postgres?.stop()
  }

  /** Exits if a signal has arrived, since serverless-offline doesn't listen for signals until it is ready. */
  async #exitIfAsked(close: () => Promise<void>): Promise<void> {
    if (!this.#asked) return
    await close()
    process.exit(0)
  }

  #refuse(message: string): never {
    throw new this.#framework.classes.Error(message)
  }

  #current(): Session {
    return this.#session ?? this.#refuse('the offline plugin was not prepared')
  }

  #offline(): Offline {
    const plugin = this.#framework.pluginManager
      .getPlugins()
      .find((it) => it.constructor.name === 'ServerlessOffline')
    // Missing only if serverless.yml no longer lists the plugin.
    return (plugin as Offline | undefined) ?? this.#refuse('serverless-offline is not among the plugins')
  }
}
