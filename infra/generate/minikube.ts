import { readFile } from 'node:fs/promises'

const BASE = new URL('../../k8s/base/api.yaml', import.meta.url)

const SECRET = `\
# For Minikube. Generated from base/api.yaml by \`npm run generate\`. For other clusters, use production/.
apiVersion: v1
kind: Secret
metadata:
  name: task-scheduler
  namespace: trustle
  labels:
    app.kubernetes.io/name: task-scheduler
type: Opaque
stringData:
  API_KEY: changeme
  DATABASE_URL: postgres://scheduler:scheduler@postgres:5432/scheduler
---
`

const ENV = `\
            - name: SHUTDOWN_GRACE_SECONDS
              value: "20"
`

const ALLOW_WEAK_KEY = `\
            # The key changeme is for a cluster on your own machine.
            - name: ALLOW_WEAK_KEY
              value: "true"
`

/** Lines of the base, and what replaces them in Minikube's file. */
const CHANGES: [from: string, to: string][] = [
  [ENV, ENV + ALLOW_WEAK_KEY],
  ['spec:\n  selector:\n    app', 'spec:\n  type: NodePort\n  selector:\n    app'],
  ['      targetPort: http\n', '      targetPort: http\n      nodePort: 30080\n'],
]

/** Returns `k8s/api.yaml`: the base with a Secret, a weak key and a NodePort. */
export async function minikubeFile(): Promise<string> {
  const text = await readFile(BASE, 'utf8')
  return SECRET + CHANGES.reduce(change, text.slice(text.indexOf('apiVersion')))
}

function change(text: string, [from, to]: [string, string]): string {
  const parts = text.split(from)
  if (parts.length !== 2) throw new Error(`k8s/base/api.yaml must contain this text exactly once: ${from}`)
  return parts.join(to)
}
