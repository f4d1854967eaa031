import { execFileSync } from 'node:child_process'
import { BlockList, isIPv6 } from 'node:net'
import { beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type Manifest, manifestsOf, path, read, render } from './render.ts'

type Block = { cidr: string; except?: string[] }
type Peer = { ipBlock?: Block; podSelector?: object; namespaceSelector?: object }
type Rule = { ports?: { port: number; protocol?: string }[]; from?: Peer[]; to?: Peer[] }
type Policy = { podSelector: object; policyTypes: string[]; ingress?: Rule[]; egress?: Rule[] }
type Container = {
  name: string
  image: string
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef: Reference } }[]
  envFrom?: { secretRef: Reference }[]
  securityContext: object
  readinessProbe?: object
  livenessProbe?: object
}
type Reference = { name: string; optional?: boolean }
type Pod = {
  containers: Container[]
  initContainers?: Container[]
  securityContext: { runAsUser: number }
  volumes?: object[]
}

let minikube: Manifest[]
let production: Manifest[]
let example: Manifest[]

beforeAll(async () => {
  minikube = await render('k8s')
  production = await render('k8s/production')
  example = await manifestsOf('examples/kubernetes/service.yaml')
})

/**
 * Returns the spec of the only manifest with this kind and name. The cast relies on the cluster validating the same
 * file.
 */
function specOf<Spec>(manifests: Manifest[], kind: string, name = 'task-scheduler'): Spec {
  const found = manifests.filter((it) => it.kind === kind && it.metadata.name === name)
  expect(found, `${kind} ${name}`).toHaveLength(1)
  return found[0]?.spec as Spec
}

function podsOf(manifests: Manifest[]): Pod[] {
  return manifests.flatMap(({ spec }) => {
    const { template } = (spec ?? {}) as { template?: { spec: Pod } }
    return template ? [template.spec] : []
  })
}

const containersOf = (pod: Pod): Container[] => [...(pod.initContainers ?? []), ...pod.containers]

test("Minikube's files keep the original names, key, password and port", () => {
  const secrets = minikube
    .filter(({ kind }) => kind === 'Secret')
    .map((it) => [it.metadata.name, it.stringData])
  const database = 'postgres://scheduler:scheduler@postgres:5432/scheduler'
  expect(Object.fromEntries(secrets)).toEqual({
    postgres: { POSTGRES_USER: 'scheduler', POSTGRES_PASSWORD: 'scheduler', POSTGRES_DB: 'scheduler' },
    'task-scheduler': { API_KEY: 'changeme', DATABASE_URL: database },
  })
  expect(specOf(minikube, 'Service')).toMatchObject({ type: 'NodePort', ports: [{ nodePort: 30_080 }] })
  expect(
    minikube.every(({ kind, metadata }) => kind === 'Namespace' || metadata.namespace === 'trustle'),
  ).toBe(true)
  const [api] = podsOf(minikube).find(({ initContainers }) => initContainers)?.containers ?? []
  expect(api).toMatchObject({ name: 'api', image: 'task-scheduler:minikube' })
  expect(api?.env).toContainEqual({ name: 'ALLOW_WEAK_KEY', value: 'true' })
})

test('production contains no secret and no weak key, and does not start without its own Secret', async () => {
  expect(production.filter(({ kind }) => kind === 'Secret')).toEqual([])
  const text = JSON.stringify(production)
  for (const word of ['changeme', 'scheduler:scheduler', 'ALLOW_WEAK_KEY', 'stringData'])
    expect(text).not.toContain(word)
  const [pod] = podsOf(production)
  const references = pod ? containersOf(pod).flatMap(secretsOf) : []
  const own = { name: 'task-scheduler-production' }
  expect(references).toEqual([{ ...own, key: 'DATABASE_URL' }, own])
})

const secretsOf = ({ env = [], envFrom = [] }: Container): Reference[] => [
  ...envFrom.map(({ secretRef }) => secretRef),
  ...env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
]

test('production encrypts its connections to the database and to clients', async () => {
  const [pod] = podsOf(production)
  for (const { env } of pod ? containersOf(pod) : []) {
    expect(env).toContainEqual({ name: 'PGSSL', value: 'verify-full' })
    expect(env).toContainEqual({ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/database-ca/ca.pem' })
  }
  const { tls, rules } = specOf<{ tls: [{ hosts: string[] }]; rules: [{ host: string }] }>(
    production,
    'Ingress',
  )
  expect(tls[0].hosts).toEqual([rules[0].host])
  expect(pod?.containers[0]?.env).toContainEqual({ name: 'PUBLIC_URL', value: `https://${rules[0].host}` })
  expect(specOf(production, 'Service')).not.toHaveProperty('type')
})

test('the cluster rejects the production host and image until someone sets them', () => {
  const { rules } = specOf<{ rules: [{ host: string }] }>(production, 'Ingress')
  expect(rules[0].host).not.toMatch(/^[a-z0-9.-]+$/)
  for (const { image } of podsOf(production).flatMap(containersOf))
    expect(image).not.toMatch(/^[a-z0-9./-]+@sha256:[0-9a-f]{64}$/)
})

test('every namespace enforces the restricted pod security standard, and every pod meets it', () => {
  const level = { enforce: 'restricted', warn: 'restricted', audit: 'restricted' }
  const labels = Object.entries(level).map(([mode, it]) => [`pod-security.kubernetes.io/${mode}`, it])
  for (const manifests of [minikube, production]) {
    const namespaces = manifests.filter(({ kind }) => kind === 'Namespace')
    expect(namespaces).toMatchObject([{ metadata: { labels: Object.fromEntries(labels) } }])
  }
  const pods = [minikube, production, example].flatMap(podsOf)
  expect(pods).toHaveLength(5)
  for (const pod of pods) expectRestricted(pod)
})

function expectRestricted(pod: Pod): void {
  expect(pod).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  })
  expect(pod.securityContext.runAsUser).toBeGreaterThan(0)
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod).not.toHaveProperty(key)
  for (const volume of pod.volumes ?? [])
    expect(['configMap', 'emptyDir', 'persistentVolumeClaim']).toContain(Object.keys(volume)[1])
  for (const { securityContext } of containersOf(pod)) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  }
}

test('every server has probes', () => {
  const servers = [minikube, production].flatMap(podsOf).flatMap(({ containers }) => containers)
  expect(servers.map(({ name }) => name).sort()).toEqual(['api', 'api', 'postgres'])
  for (const it of servers)
    expect(it).toMatchObject({ readinessProbe: expect.anything(), livenessProbe: expect.anything() })
})

const labelled = (name: string) => ({ matchLabels: { 'app.kubernetes.io/name': name } })

test('only the API can reach the database, and only its port; the database can reach nothing', () => {
  expect(specOf(minikube, 'NetworkPolicy', 'postgres')).toEqual({
    podSelector: labelled('postgres'),
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ from: [{ podSelector: labelled('task-scheduler') }], ports: [{ port: 5432 }] }],
  })
  for (const name of ['postgres', 'task-scheduler'])
    expect(specOf(minikube, 'Deployment', name)).toMatchObject({
      template: { metadata: { labels: labelled(name).matchLabels } },
    })
})

test('clients can reach the API only on its port, and it can reach everything but link-local and metadata addresses', () => {
  for (const manifests of [minikube, production]) {
    const policy = specOf<Policy>(manifests, 'NetworkPolicy')
    expect(policy).toMatchObject({
      podSelector: labelled('task-scheduler'),
      policyTypes: ['Ingress', 'Egress'],
    })
    expect(policy.ingress).toEqual([{ ports: [{ port: 8000 }] }])
    const peers = (policy.egress ?? []).filter(({ ports }) => !ports).flatMap(({ to }) => to ?? [])
    expect(peers).toContainEqual({ namespaceSelector: {} })
    const blocks = peers.flatMap(({ ipBlock }) => ipBlock ?? [])
    for (const address of ['10.96.0.10', '192.168.1.1', '203.0.113.7', '2001:db8::1', 'fd12::1'])
      expect({ address, reached: blocks.some((it) => reaches(it, address)) }).toEqual({
        address,
        reached: true,
      })
    for (const address of [
      '169.254.169.254',
      '169.254.170.2',
      '100.100.100.200',
      '168.63.129.16',
      ...IPV6_METADATA,
    ])
      expect({ address, reached: blocks.some((it) => reaches(it, address)) }).toEqual({
        address,
        reached: false,
      })
    const limited = (policy.egress ?? []).filter(({ ports }) => ports)
    expect(limited.flatMap(({ ports }) => ports?.map(({ port }) => port))).toEqual([53, 53])
    expect(limited).toMatchObject([{ to: [{ ipBlock: { cidr: '169.254.20.10/32' } }] }])
  }
})

const IPV6_METADATA = ['fe80::a9fe:a9fe', 'fd00:ec2::254', 'fd20:ce::254']

function reaches({ cidr, except = [] }: Block, address: string): boolean {
  const inside = (subnet: string): boolean => {
    const [net = '', bits] = subnet.split('/')
    const family = isIPv6(net) ? 'ipv6' : 'ipv4'
    const list = new BlockList()
    list.addSubnet(net, Number(bits), family)
    return family === (isIPv6(address) ? 'ipv6' : 'ipv4') && list.check(address, family)
  }
  return inside(cidr) && !except.some(inside)
}

test('no file in production or in its base contains a secret value', async () => {
  const names = ['kustomization', 'namespace', 'ingress', 'settings', 'database-ca']
  const files = [...names.map((it) => `k8s/production/${it}.yaml`), 'k8s/base/api.yaml']
  for (const file of files) expect(await read(file), file).not.toMatch(/changeme|kind: Secret|stringData/)
})

/** Runs the kustomize built into kubectl. Returns null if kubectl is missing or too old for these files. */
const kubectl = process.env.KUBECTL ?? 'kubectl'
const kustomize = (folder: string): string | null => {
  try {
    return execFileSync(kubectl, ['kustomize', path(folder)], { encoding: 'utf8', stdio: 'pipe' })
  } catch {
    return null
  }
}

test.runIf(kustomize('k8s/production'))('kubectl renders the same manifests as these tests', () => {
  const sorted = (manifests: Manifest[]) => manifests.map((it) => JSON.stringify(it, sortedKeys)).sort()
  for (const [folder, ours] of [
    ['k8s', minikube],
    ['k8s/production', production],
  ] as const) {
    const theirs = parseAllDocuments(kustomize(folder) ?? '').map((it) => it.toJS() as Manifest)
    expect(sorted(ours)).toEqual(sorted(theirs))
  }
})

/** A replacer for JSON.stringify that sorts keys and lists of named items, so that their order doesn't matter. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (Array.isArray(value))
    return value.every((it) => it?.name) ? value.toSorted((a, b) => a.name.localeCompare(b.name)) : value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
