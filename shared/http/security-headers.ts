type Headers = Readonly<Record<string, string>>

const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** `data:` is for the images in Swagger UI's style sheet. */
const PAGE_POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:"],
  ...["connect-src 'self'", "font-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ')

/** Device features that none of these pages need. Denying them also stops injected scripts from using them. */
const DENIED = 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()'

const YEAR_SECONDS = 31_536_000

/**
 * Returns the headers that tell browsers what a response may do: one set for pages, one for everything else. `isTls`:
 * whether clients use https; if so, browsers are told to use nothing else for a year.
 */
export function securityHeaders({ isTls }: { isTls: boolean }): { page: Headers; data: Headers } {
  const all = {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'permissions-policy': DENIED,
    'cross-origin-resource-policy': 'same-origin',
    ...(isTls && { 'strict-transport-security': `max-age=${YEAR_SECONDS}` }),
  }
  return {
    page: Object.freeze({
      ...all,
      'content-security-policy': PAGE_POLICY,
      'cross-origin-opener-policy': 'same-origin',
    }),
    data: Object.freeze({ ...all, 'content-security-policy': DATA_POLICY }),
  }
}
