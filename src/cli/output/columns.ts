/** Rows of cells as aligned columns: three spaces between, `minimumWidth` characters at least, nothing after the last. */

const padding = 3;

export function alignColumns(rows: readonly (readonly string[])[], minimumWidth = 10): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? minimumWidth, Array.from(cell).length + padding);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : padTo(cell, widths[column] ?? 0)))
        .join(''),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function padTo(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - Array.from(cell).length));
}
