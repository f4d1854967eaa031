import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { read } from './render.ts'

type Service = { ports?: string[]; environment?: Record<string, string> }

/** The cast is safe: Docker Compose reads the same files. */
async function servicesOf(file: string): Promise<Record<string, Service>> {
  return (parse(await read(file)) as { services: Record<string, Service> }).services
}

test.each(['docker-compose.yml', 'examples/compose/docker-compose.yml'])(
  '%s, which has a weak key, is reachable from this machine only',
  async (file) => {
    const services = Object.values(await servicesOf(file))
    const ports = services.flatMap((it) => it.ports ?? [])
    expect(ports.filter((it) => !it.startsWith('127.0.0.1:'))).toEqual([])
    expect(ports[0]).toMatch(/:\S*8000\S*:8000$/)
    const weak = services.flatMap(({ environment }) => (environment?.API_KEY ? [environment] : []))
    expect(weak).toMatchObject([{ API_KEY: 'changeme', ALLOW_WEAK_KEY: 'true' }])
  },
)

test.each(['docker-compose.yml', 'examples/tls/docker-compose.yml'])(
  '%s gives no service more rights than it needs',
  async (file) => {
    for (const [name, service] of Object.entries(await servicesOf(file))) {
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      })
      if (name !== 'caddy') expect(service, name).not.toHaveProperty('cap_add')
    }
  },
)
