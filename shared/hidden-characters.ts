const EMOJI = String.raw`\p{Extended_Pictographic}`

/**
 * Matches an invisible character that the text needs: a joiner between emoji or between letters of a script without
 * upper case, such as those of Persian and Hindi, or a selector for a variant of a letter, an emoji or a keycap.
 */
const NEEDED = [
  String.raw`(?<=(?:\p{Lo}|${EMOJI}\p{Emoji_Modifier}?)\p{M}*)\p{Join_Control}(?=[\p{Lo}\p{M}${EMOJI}])`,
  String.raw`(?<=[\p{Lo}${EMOJI}])\p{Variation_Selector}`,
  String.raw`(?<=[\d#*])\ufe0f(?=\u20e3)`,
].join('|')

/**
 * An invisible character that changes the order or appearance of the text around it, or makes two texts that look the
 * same differ: direction controls, zero-width characters, line separators and the like.
 */
const HIDDEN = String.raw`(?!${NEEDED})[\p{Default_Ignorable_Code_Point}\ufff9-\ufffb\p{Zl}\p{Zp}\u2800]`

const ONE_HIDDEN = new RegExp(HIDDEN, 'u')

/** Embeddings, overrides and isolates. One that isn't closed also reorders the text that follows. */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/

const UNPRINTABLE = new RegExp(String.raw`${HIDDEN}|(?!\n)\p{Cc}`, 'gu')
const PLAIN = /^[\x20-\x7e\n]*$/

/** Returns the first hidden character of the text, in the form `U+202E`, or undefined if there is none. */
export const findHidden = (text: string): string | undefined => nameOf(ONE_HIDDEN.exec(text))

/**
 * Returns the first character that reorders the text around it, in the form `U+202E`, or undefined if there is none.
 */
export const findReordering = (text: string): string | undefined => nameOf(REORDERING.exec(text))

function nameOf(found: RegExpExecArray | null): string | undefined {
  const codePoint = found?.[0].codePointAt(0)
  return codePoint === undefined ? undefined : `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
}

/**
 * Replaces each hidden character, and each control character except line breaks, with an escape such as
 * `\u202e`. In JSON, that doesn't change the value.
 */
export function escapeHidden(text: string): string {
  // Most lines are plain, and this check takes a fraction of the time that the search would take.
  return PLAIN.test(text) ? text : text.replaceAll(UNPRINTABLE, escapeUnits)
}

const escapeUnits = (character: string): string =>
  character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
