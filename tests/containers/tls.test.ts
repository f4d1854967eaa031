import { expect, test } from 'vitest'
import { docker } from './docker.ts'

type Service = { ports?: { published: string }[]; environment?: Record<string, string>; networks: object }

const config = (env: Record<string, string>) =>
  docker(['compose', '-f', 'examples/tls/docker-compose.yml', 'config', '--format', 'json'], env)

test('the TLS example publishes only the Caddy ports, and tells the scheduler its public URL', async () => {
  const text = await config({ DOMAIN: 'tasks.example.com', API_KEY: 'key', POSTGRES_PASSWORD: 'password' })
  const services: Record<string, Service> = JSON.parse(text).services
  const published = Object.entries(services).flatMap(([name, { ports = [] }]) =>
    ports.map((it) => `${name} ${it.published}`),
  )
  expect(new Set(published)).toEqual(new Set(['caddy 80', 'caddy 443']))
  expect(services.scheduler?.environment).toMatchObject({
    PUBLIC_URL: 'https://tasks.example.com',
    TRUST_PROXY: '1',
    DATABASE_URL: 'postgres://scheduler:password@postgres:5432/scheduler',
  })
  expect(services.postgres?.networks).toEqual({ back: null })
})

test.each(['DOMAIN', 'API_KEY', 'POSTGRES_PASSWORD'])(
  'the TLS example does not start without %s',
  async (name) => {
    const env = { DOMAIN: 'tasks.example.com', API_KEY: 'key', POSTGRES_PASSWORD: 'password', [name]: '' }
    await expect(config(env)).rejects.toThrow(`set ${name}`)
  },
)
