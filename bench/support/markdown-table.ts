export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Default: left. */
  readonly align?: 'left' | 'right';
}

/** A Markdown table, padded the way prettier pads one. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = columns.map(({ title, cell }) => [title, ...rows.map(cell)]);
  const widths = cells.map((column) => Math.max(3, ...column.map(({ length }) => length)));
  const rule = columns.map(({ align }, i) => {
    const width = widths[i] ?? 0;
    return align === 'right' ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width);
  });
  const lines = [undefined, ...rows].map((_, line) =>
    columns.map(({ align }, i) => {
      const text = cells[i]?.[line] ?? '';
      return align === 'right' ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
    }),
  );
  lines.splice(1, 0, rule);
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
