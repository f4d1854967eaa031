const PATHS = {
  search: 'M10.5 10.5 14 14M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z',
  plus: 'M8 3v10M3 8h10',
  play: 'M5 3.5v9l7-4.5Z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  copy: 'M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8Z',
  check: 'm3 8.5 3.2 3.2L13 4.5',
  close: 'm4 4 8 8M12 4l-8 8',
  alert: 'M8 5.5v3.2M8 11.2h.01M7.1 2.4 1.6 12a1 1 0 0 0 .9 1.5h11a1 1 0 0 0 .9-1.5L8.9 2.4a1 1 0 0 0-1.8 0Z',
  rerun: 'M13 3v3.5H9.5M12.7 6.3A5.2 5.2 0 1 0 13.2 9',
  edit: 'M10.5 3 13 5.5 6 12.5l-3 .5.5-3Z',
  down: 'm4 6 4 4 4-4',
  stop: 'M4.5 4.5h7v7h-7Z',
  clock: 'M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  trash: 'M2.5 4.5h11M6 4.5v-2h4v2m-5.5 0 .5 9h6l.5-9',
  keyboard: 'M1.5 4h13v8h-13ZM4 6.5h.01M7 6.5h.01M10 6.5h.01M12.5 6.5h.01M5 9.5h6',
} as const

export type IconName = keyof typeof PATHS

/** A 16 × 16 line drawing, hidden from screen readers, since the text beside it says the same. */
export const Icon = ({ name }: { name: IconName }) => (
  <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d={PATHS[name]} />
  </svg>
)
