import { registerHooks } from 'node:module'

/** The lines of postgres.js that our patch adds to its options. */
const ADDED = /^ +(silence_timeout|latest_first) +: o\.\w+,\n/gm

/** Preload this to get a postgres.js that lacks our patch's options, as after `npm ci --ignore-scripts`. */
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!url.endsWith('/node_modules/postgres/src/index.js')) return loaded
    return { ...loaded, source: String(loaded.source).replaceAll(ADDED, '') }
  },
})
