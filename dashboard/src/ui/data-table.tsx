import { type ColumnDef, tableFeatures, useTable } from '@tanstack/react-table'
import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { memo, type ReactNode, useEffect, useMemo, useState } from 'react'
import type { Pages } from './pages.ts'
import { Failure, Skeleton } from './states.tsx'

const features = tableFeatures({})

/** `className` sets the width, and the window widths at which the column is shown. */
export type Column<T> = { id: string; title: ReactNode; className?: string; cell: (row: T) => ReactNode }

type Props<T> = {
  label: string
  columns: Column<T>[]
  pages: Pages<T>
  idOf: (row: T) => number
  /** What is shown if there are no rows. */
  empty: ReactNode
  isSelected?: (row: T) => boolean
}

const ROW_PX = 48

/** A table of any length: only visible rows are in the document. The window scrolls, not the table. */
export function DataTable<T extends object>({ label, columns, pages, idOf, empty, isSelected }: Props<T>) {
  const [top, setTop] = useState(0)
  // Measured on every render, since the content above the table changes.
  const measure = (place: HTMLDivElement | null) => {
    if (place) setTop(place.offsetTop)
  }
  const virtualizer = useWindowVirtualizer({
    count: pages.count,
    estimateSize: () => ROW_PX,
    overscan: 12,
    scrollMargin: top,
    // The browser may paint a scroll before its rows are rendered, so a few rows beyond the window are rendered too.
    useFlushSync: false,
  })
  const items = virtualizer.getVirtualItems()
  const first = items[0]?.index ?? 0
  const last = items.at(-1)?.index ?? 0
  const { show } = pages
  useEffect(() => show(first, last), [show, first, last])

  const data = items.map(({ index }) => pages.rowAt(index)).filter((row) => row !== undefined)
  const definitions = useMemo(
    () =>
      columns.map(
        ({ id, title, cell }): ColumnDef<typeof features, T> => ({
          id,
          header: () => title,
          cell: ({ row }) => cell(row.original),
        }),
      ),
    [columns],
  )
  const table = useTable<typeof features, T>({
    features,
    data,
    columns: definitions,
    getRowId: (row) => String(idOf(row)),
  })
  const rows = new Map(table.getRowModel().rows.map((row) => [row.id, row]))

  if (pages.isLoading) return <Skeleton rows={8} />
  if (pages.error && pages.loaded === 0) return <Failure error={pages.error} retry={pages.retry} />
  if (pages.count === 0) return empty
  const classOf = (id: string) => columns.find((column) => column.id === id)?.className
  const before = (items[0]?.start ?? top) - top
  const after = virtualizer.getTotalSize() - ((items.at(-1)?.end ?? top) - top)
  return (
    <div ref={measure} className="table-place">
      <table className="table" aria-label={label} aria-rowcount={pages.isComplete ? pages.count + 1 : -1}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} aria-rowindex={1}>
              {group.headers.map((header) => (
                <th key={header.id} scope="col" className={classOf(header.column.id)}>
                  <table.FlexRender header={header} />
                </th>
              ))}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <Gap px={before} />}
          {items.map(({ index }) => {
            const value = pages.rowAt(index)
            const row = value && rows.get(String(idOf(value)))
            if (!row) return <Blank key={`blank-${index}`} columns={columns} />
            return (
              <Row
                key={row.id}
                value={row.original}
                columns={columns}
                index={index}
                isSelected={isSelected?.(row.original) === true}
              />
            )
          })}
          {after > 0 && <Gap px={after} />}
        </tbody>
      </table>
    </div>
  )
}

type RowProps<T> = { value: T; columns: Column<T>[]; index: number; isSelected: boolean }

/** Not rendered again on every scroll, but only if the row or the columns change. */
const Row = memo(function Row<T>({ value, columns, index, isSelected }: RowProps<T>) {
  return (
    <tr aria-rowindex={index + 2} className={isSelected ? 'selected' : undefined}>
      {columns.map(({ id, className, cell }) => (
        <td key={id} className={className}>
          {cell(value)}
        </td>
      ))}
    </tr>
  )
}) as <T>(props: RowProps<T>) => ReactNode

/** A placeholder for rows that aren't visible. It has a single cell, since more would take space for hidden columns. */
const Gap = ({ px }: { px: number }) => (
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row can't be focused
  <tr aria-hidden="true" className="gap">
    <td style={{ height: px }} />
  </tr>
)

const Blank = <T,>({ columns }: { columns: Column<T>[] }) => (
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row can't be focused
  <tr aria-hidden="true" className="blank">
    {columns.map(({ id, className }) => (
      <td key={id} className={className}>
        <i />
      </td>
    ))}
  </tr>
)
