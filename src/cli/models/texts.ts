import type { CachedModel } from '../../engine/hub/cache-contents.js';
import { hubId } from '../../engine/hub/hub-source.js';
import { formatBytes } from '../../engine/placement/bytes.js';

/** One line for each model, under a line of titles. @param users names of configured models, by the id that is their source */
export function listTable(
  models: readonly CachedModel[],
  users: ReadonlyMap<string, readonly string[]>,
  cacheDir: string,
): string {
  if (models.length === 0) return `There are no models in ${cacheDir} yet.\n`;
  const total = models.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = models.map(({ source, bytes, dtypes, commit, lastUsed }) => [
    hubId(source),
    formatBytes(bytes),
    dtypes.join(', ') || 'incomplete',
    commit?.slice(0, 12) ?? '?',
    lastUsed ? formatDate(lastUsed) : 'never',
    (users.get(hubId(source)) ?? []).join(', '),
  ]);
  const titles = ['model', 'size', 'dtypes', 'commit', 'last used', 'configured as'];
  return `${tableText([titles, ...rows])}${formatBytes(total)} in ${cacheDir}\n`;
}

function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** To the minute, in UTC. */
function formatDate(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
