import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapeHidden, findHidden, findReordering } from '../../shared/hidden-characters.ts'

const REORDERING = [0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069]
const OTHERS = [
  ...[0xad, 0x34f, 0x61c, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x2060],
  ...[0x2064, 0x206f, 0x3164, 0xfe0f, 0xfeff, 0x2800, 0xffa0, 0xfff9, 0xe0041, 0xe0100],
]

const named = (codePoint: number): string => `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`

test.for([...REORDERING, ...OTHERS])('finds code point %i among other characters', (codePoint) => {
  const hidden = String.fromCodePoint(codePoint)
  for (const text of [hidden, `pay${hidden}roll`, `${hidden}a`, `a${hidden}`, `1 ${hidden} 2`])
    expect([text, findHidden(text)]).toEqual([text, named(codePoint)])
})

test('distinguishes characters that reorder text from other hidden characters', () => {
  const found = [...REORDERING, ...OTHERS].map((it) => findReordering(`a${String.fromCodePoint(it)}b`))
  expect(found).toEqual([...REORDERING.map(named), ...OTHERS.map(() => undefined)])
})

test.for<[what: string, text: string]>([
  ['Persian', 'می\u200cخواهم'],
  ['Hindi', 'क्\u200dष'],
  ['Bengali', 'র\u200d্যাব'],
  ['Sinhala', 'ශ්\u200dරී'],
  ['Mongolian', 'ᠠ\u180b'],
  ['a Japanese name', '葛\u{e0100}城'],
  ['a family', '👨\u200d👩\u200d👧'],
  ['a skin tone', '👩🏽\u200d🚀'],
  ['a heart', '❤\ufe0f\u200d🔥'],
  ['a key', '1\ufe0f\u20e3'],
  ['accents', 'e\u0301'],
  ['Hebrew', 'גיבוי יומי'],
  ['spaces and symbols', 'a\u00a0b – c © ±'],
])('allows what %s needs', ([, text]) => {
  expect([findHidden(text), escapeHidden(text)]).toEqual([undefined, text])
})

test.for<[what: string, text: string, name: string]>([
  ['a joiner between Latin letters', 'e\u0301\u200dl', 'U+200D'],
  ['two joiners in a row', 'क्\u200d\u200dष', 'U+200D'],
  ['a joiner at the end', 'می\u200c', 'U+200C'],
  ['a joiner before a space', 'می\u200c x', 'U+200C'],
  ['a variant of a Latin letter', 'a\ufe0f', 'U+FE0F'],
  ['a variant of a variant', '❤\ufe0f\ufe0f', 'U+FE0F'],
])('finds %s', ([, text, name]) => {
  expect(findHidden(text)).toBe(name)
})

test('escapes hidden and control characters, and nothing else', () => {
  expect(escapeHidden('a\u202eb\u009b31m\u001b[0m\u{e0041}\nc d–é🦖')).toBe(
    'a\\u202eb\\u009b31m\\u001b[0m\\udb40\\udc41\nc d–é🦖',
  )
})

const units = ['a', '"', '\\', '\n', 'é', '\u202e', '\u009b', '\u{e0041}', 'क', '❤', '\u200d', '\ufe0f']

test('escaping JSON does not change its value', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...units) }), (text) => {
      const escaped = escapeHidden(JSON.stringify({ text }))
      expect(JSON.parse(escaped)).toEqual({ text })
      expect([findReordering(escaped), /\p{Cc}/u.test(escaped)]).toEqual([undefined, false])
    }),
  )
})
