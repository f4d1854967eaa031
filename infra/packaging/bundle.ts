import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

/** `path` is relative to the root of the service and of the zip. */
export type File = { path: string; content: Uint8Array }

/** Defines `require`, which an ES module doesn't have. Bundled CommonJS calls it to load Node's own modules. */
const BANNER = `import { createRequire as bannerRequire } from 'node:module'; const require = bannerRequire(import.meta.url);`

/** A source map with a single mapping, since esbuild ignores a map without mappings and makes its own. */
const PACKAGE_MAP = Buffer.from('{"version":3,"sources":["package"],"mappings":"AAAA"}').toString('base64')

/**
 * Replaces packages' source maps with `PACKAGE_MAP`. Otherwise they would make up 94% of each map, and half of each
 * zip.
 */
const unmappedPackages: Plugin = {
  name: 'unmapped-packages',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/.+\.[cm]?js$/ }, async ({ path }) => ({
      contents: `${await readFile(path, 'utf8')}\n//# sourceMappingURL=data:application/json;base64,${PACKAGE_MAP}`,
    }))
  },
}

/**
 * Returns two files for each entry: a module with everything that the entry imports, at the entry's path but ending in
 * `.mjs`, and the module's source map.
 */
export async function bundleFunctions(root: string, entries: string[]): Promise<File[][]> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: '.',
    outbase: '.',
    outExtension: { '.js': '.mjs' },
    write: false,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Prefers the ES module if a package has both formats, since only ES modules can be tree-shaken.
    mainFields: ['module', 'main'],
    minify: true,
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    banner: { js: BANNER },
    plugins: [unmappedPackages],
  })
  return entries.map((entry) => {
    const module = entry.replace(/\.ts$/, '.mjs')
    return [module, `${module}.map`].map((path) => {
      const output = outputFiles.find((file) => file.path === join(root, path))
      if (!output) throw new Error(`esbuild did not create ${path}`)
      return { path, content: output.contents }
    })
  })
}
