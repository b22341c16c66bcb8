import { drawLineCharts, type Look, type Panel } from '../chart/line-chart.js';
import { linearScale } from '../chart/scale.js';
import { fitLine, type LinearFit } from '../support/linear-fit.js';
import { formatTable, type Column } from '../support/markdown-table.js';
import { median } from '../support/statistics.js';
import type { StepCost } from './step-timer.js';

/** Steps with so many rows, by the tokens that they attend to. */
export interface Growth {
  readonly rows: number;
  readonly costs: readonly StepCost[];
}

/** A scenario beside the plain one, in rounds that took turns. In milliseconds. */
export interface Beside {
  readonly title: string;
  readonly plain: readonly number[];
  readonly scenario: readonly number[];
}

export interface StepProfile {
  readonly title: string;
  readonly growth: readonly Growth[];
  readonly beside: readonly Beside[];
}

interface FittedGrowth extends Growth {
  readonly fit: LinearFit;
}

const LOOKS: readonly Look[] = [
  { color: '#d55e00', marker: 'square' },
  { color: '#009e73', marker: 'triangle' },
  { color: '#0072b2', marker: 'circle' },
  { color: '#57606a', marker: 'diamond' },
];

/** The tables of one model. */
export function formatProfile({ title, growth, beside }: StepProfile): string {
  return [
    `## ${title}`,
    '### By the tokens attended',
    formatGrowth(growth.map(fitted)),
    '### Against 8 rows of 256 tokens by themselves',
    formatTable(BESIDE_COLUMNS, beside),
  ].join('\n\n');
}

function formatGrowth(growth: readonly FittedGrowth[]): string {
  const lengths =
    growth[0]?.costs.map(({ attended }, i) => ({ i, perRow: attended / (growth[0]?.rows ?? 1) })) ?? [];
  const columns: Column<FittedGrowth>[] = [
    { title: 'rows', align: 'right', cell: ({ rows }) => String(rows) },
    ...lengths.map(({ i, perRow }): Column<FittedGrowth> => ({
      title: `${perRow.toFixed(0)} each, ms`,
      align: 'right',
      cell: ({ costs }) => costs[i]?.ms.toFixed(1) ?? '-',
    })),
    { title: 'without any, ms', align: 'right', cell: ({ fit }) => fit.intercept.toFixed(1) },
    { title: 'per 1,000 tokens, ms', align: 'right', cell: ({ fit }) => (fit.slope * 1000).toFixed(2) },
    { title: 'R²', align: 'right', cell: ({ fit }) => fit.rSquared.toFixed(4) },
  ];
  return formatTable(columns, growth);
}

const BESIDE_COLUMNS: readonly Column<Beside>[] = [
  { title: '8 rows', cell: ({ title }) => title },
  { title: 'step, ms', align: 'right', cell: ({ scenario }) => median(scenario).toFixed(1) },
  { title: 'by themselves, ms', align: 'right', cell: ({ plain }) => median(plain).toFixed(1) },
  {
    title: 'ratio',
    align: 'right',
    cell: ({ scenario, plain }) => (median(scenario) / median(plain)).toFixed(2),
  },
];

/** A panel for each model: what was measured, and the line fitted to it. */
export function drawProfiles(profiles: readonly StepProfile[]): string {
  return drawLineCharts({
    title: 'Cost of a decode step by the tokens it attends to',
    columns: Math.min(profiles.length, 2),
    panels: profiles.map(panelOf),
  });
}

function panelOf({ title, growth }: StepProfile): Panel {
  const costs = growth.flatMap((one) => one.costs);
  return {
    title: title.split(':', 1)[0] ?? title,
    xLabel: 'tokens attended, all rows together',
    yLabel: 'ms',
    x: linearScale(costs.map(({ attended }) => attended)),
    y: linearScale(costs.map(({ ms }) => ms)),
    series: growth.map(fitted).map(({ rows, costs: own, fit }, i) => {
      const points = own.map(({ attended, ms }) => ({ x: attended, y: ms }));
      const ends = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
      return {
        label: rows === 1 ? '1 row' : `${rows} rows`,
        look: LOOKS[i % LOOKS.length] as Look,
        points,
        line: ends.map((x) => ({ x, y: fit.intercept + fit.slope * x })),
      };
    }),
  };
}

function fitted(growth: Growth): FittedGrowth {
  return { ...growth, fit: fitLine(growth.costs.map(({ attended, ms }) => ({ x: attended, y: ms }))) };
}
