import { config } from '../config.ts'

/** Returns a path of this API as clients see it: after PUBLIC_URL, if it is set. */
export const toLink = (path: string): string => (config().publicUrl ?? '') + path
