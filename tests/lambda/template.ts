import { readFile } from 'node:fs/promises'

// biome-ignore lint/suspicious/noExplicitAny: a template is a tree of anything; each test says what it looks for.
export type Properties = Record<string, any>

type Resource = { Type: string; Properties: Properties }

export type Template = {
  Resources: Record<string, Resource>
  Parameters: Record<string, object>
  Outputs: Record<string, object>
}

/** What `npm run package` rendered. */
export async function readTemplate(root: URL): Promise<Template> {
  const path = new URL('.serverless/cloudformation-template-update-stack.json', root)
  // The framework's own output.
  return JSON.parse(await readFile(path, 'utf8')) as Template
}

export const resourcesOf = (template: Template, type: string): [string, Properties][] =>
  Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([name, resource]) => [name, resource.Properties])
