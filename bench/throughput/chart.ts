import { drawLineCharts, type Look, type Panel, type Series } from '../chart/line-chart.js';
import { linearScale, logScale, markedLogScale } from '../chart/scale.js';
import { PROMPT_TOKENS } from './plan.js';
import { LABELS } from './report.js';
import type { SubjectResult, SystemName, ThroughputResult } from './results.js';
import { summarizeCell, type Row } from './summary.js';

/** Colours that can be told apart without red and green. */
const LOOKS: Readonly<Record<SystemName, Look>> = {
  naive: { color: '#d55e00', marker: 'square' },
  resident: { color: '#0072b2', marker: 'circle' },
  raw: { color: '#57606a', marker: 'diamond', dashed: true },
  llama: { color: '#009e73', marker: 'triangle' },
};

/** Speed and waiting by concurrency, a row of panels for each model; undefined if nothing of it was measured. */
export function drawThroughput(result: ThroughputResult, workload: 'short' | 'long'): string | undefined {
  const panels = result.subjects.flatMap((subject) => panelsOf(subject, workload));
  if (panels.length === 0) return undefined;
  const title = `${PROMPT_TOKENS[workload]}-token prompts, ${result.newTokens} new tokens, greedy`;
  return drawLineCharts({ title, columns: 2, panels });
}

function panelsOf({ title, cells }: SubjectResult, workload: 'short' | 'long'): Panel[] {
  const rows = cells.filter((cell) => cell.workload === workload).flatMap(summarizeCell);
  if (rows.length === 0) return [];
  const x = markedLogScale([...new Set(rows.map(({ concurrency = 1 }) => concurrency))]);
  const speed = seriesOf(rows, ({ tokensPerSecond }) => tokensPerSecond);
  const waiting = seriesOf(rows, ({ ttft }) => ttft?.p99);
  const shared = { xLabel: 'concurrency', x };
  const [model = ''] = title.split(':', 1);
  return [
    { ...shared, title: `${model}: tok/s`, yLabel: 'tok/s', y: linearScale(ys(speed)), series: speed },
    {
      ...shared,
      title: `${model}: time to first token, p99`,
      yLabel: 'ms (logarithmic)',
      y: logScale(ys(waiting)),
      series: waiting,
    },
  ];
}

/** What it is all about lies on top. */
const ORDER = ['resident', 'naive', 'raw', 'llama'] as const satisfies readonly SystemName[];

function seriesOf(rows: readonly Row[], value: (row: Row) => number | undefined): Series[] {
  return ORDER.flatMap((system): Series[] => {
    const points = rows.flatMap((row) => {
      const y = value(row);
      return row.system === system && y !== undefined ? [{ x: row.concurrency ?? 1, y }] : [];
    });
    return points.length > 0 ? [{ label: LABELS[system], look: LOOKS[system], points }] : [];
  });
}

function ys(series: readonly Series[]): number[] {
  return series.flatMap(({ points }) => points.map(({ y }) => y));
}
