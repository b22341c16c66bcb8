import { drawBarCharts, type BarPanel } from '../chart/bar-chart.js';
import { formatTable, type Column } from '../support/markdown-table.js';
import { median, percentile, sum } from '../support/statistics.js';
import type { Phase, Round } from './measure.js';
import { CONCURRENCIES, SYSTEMS, SYSTEM_NAMES, type Concurrency, type SystemName } from './systems.js';

export type Measured = Readonly<Record<SystemName, readonly Round[]>>;

interface Figure {
  readonly title: string;
  readonly of: (rounds: readonly Round[]) => number;
  readonly digits: number;
}

/** Colours that can be told apart without red and green. */
const COLORS: Readonly<Record<SystemName, string>> = {
  reload: '#57606a',
  singleton: '#d55e00',
  resident: '#0072b2',
};

const FIRST_ANSWER: Figure = {
  title: 'start of the process to first answer, s',
  of: (rounds) => median(rounds.map(({ firstAnswerMs }) => firstAnswerMs / 1000)),
  digits: 2,
};

function latency(concurrency: Concurrency, percent: number): Figure {
  return {
    title: `${concurrency} at a time: latency p${percent}, ms`,
    of: (rounds) =>
      percentile(
        phasesOf(rounds, concurrency).flatMap(({ latencies }) => latencies),
        percent,
      ),
    digits: 0,
  };
}

function rate(concurrency: Concurrency): Figure {
  return {
    title: `${concurrency} at a time: requests/s`,
    of: (rounds) =>
      median(phasesOf(rounds, concurrency).map(({ requests, elapsedMs }) => (requests / elapsedMs) * 1000)),
    digits: 2,
  };
}

function health(concurrency: Concurrency): Figure {
  return {
    title: `${concurrency} at a time: \`GET /health\` p99, ms`,
    of: (rounds) => median(phasesOf(rounds, concurrency).map((phase) => percentile(phase.health, 99))),
    digits: 0,
  };
}

function cpu(concurrency: Concurrency): Figure {
  return {
    title: `${concurrency} at a time: CPU seconds per request`,
    of: (rounds) =>
      median(phasesOf(rounds, concurrency).map(({ cpuSeconds, requests }) => cpuSeconds / requests)),
    digits: 3,
  };
}

const PEAK: Figure = {
  title: 'peak memory of all its processes, MB',
  of: (rounds) =>
    median(
      rounds.map(
        ({ phases }) => Math.max(...Object.values(phases).map(({ peakBytes }) => peakBytes)) / 2 ** 20,
      ),
    ),
  digits: 0,
};

const FIGURES: readonly Figure[] = [
  FIRST_ANSWER,
  ...CONCURRENCIES.flatMap((concurrency) => [
    latency(concurrency, 50),
    latency(concurrency, 95),
    rate(concurrency),
    health(concurrency),
    cpu(concurrency),
  ]),
  PEAK,
];

/** One row a figure, one column a system, and how the others compare with Resident. */
export function formatFigures(measured: Measured): string {
  const value = ({ of }: Figure, system: SystemName): number => of(measured[system]);
  const ratio = (figure: Figure, system: SystemName): string =>
    `${(value(figure, system) / value(figure, 'resident')).toPrecision(2)}x`;
  const columns: readonly Column<Figure>[] = [
    { title: 'figure', cell: ({ title }) => title },
    ...SYSTEM_NAMES.map((system): Column<Figure> => ({
      title: SYSTEMS[system].label,
      align: 'right',
      cell: (figure) => value(figure, system).toFixed(figure.digits),
    })),
    ...(['reload', 'singleton'] as const).map((system): Column<Figure> => ({
      title: `${SYSTEMS[system].label} / Resident`,
      align: 'right',
      cell: (figure) => ratio(figure, system),
    })),
  ];
  return formatTable(columns, FIGURES);
}

/** What follows from the table. */
export function formatFacts(measured: Measured): string {
  return [breakEvenFact(measured), ledgerFact(measured), textFact(measured), memoryFact(measured)]
    .filter((fact) => fact !== undefined)
    .map((fact) => `- ${fact}`)
    .join('\n');
}

/** How many requests, one after the other, it takes until the time that a start costs more is made up for. */
export function requestsUntilAhead(
  resident: { readonly firstMs: number; readonly eachMs: number },
  reload: { readonly firstMs: number; readonly eachMs: number },
): number {
  const savedEach = reload.eachMs - resident.eachMs;
  const behind = resident.firstMs - reload.firstMs;
  if (behind <= 0) return 1;
  return savedEach <= 0 ? Infinity : 1 + Math.ceil(behind / savedEach);
}

function breakEvenFact(measured: Measured): string {
  const each = latency(1, 50);
  const [resident, reload] = (['resident', 'reload'] as const).map((system) => ({
    firstMs: FIRST_ANSWER.of(measured[system]) * 1000,
    eachMs: each.of(measured[system]),
  })) as [Parameters<typeof requestsUntilAhead>[0], Parameters<typeof requestsUntilAhead>[1]];
  const requests = requestsUntilAhead(resident, reload);
  if (requests === 1)
    return 'Resident is ahead of a load per request from the first request on, its start included.';
  return Number.isFinite(requests)
    ? `Counted from the start of the process, Resident is ahead of a load per request from request ${requests} on.`
    : 'Resident never makes up for its start.';
}

/** The same machine's break-even, as Resident's own ledger has it. */
function ledgerFact({ resident }: Measured): string | undefined {
  const entries = resident.flatMap(({ ledger }) => ledger ?? []);
  const last = entries.at(-1);
  if (!last?.break_even || !last.suggestion) return undefined;
  const medianOf = (read: (entry: (typeof entries)[number]) => number | null | undefined): string =>
    brief(median(entries.map((entry) => read(entry) ?? Number.NaN)));
  return (
    `\`GET /v1/residency\` at the end of a round: ${last.loads} load for ${last.requests} requests, ` +
    `${medianOf((entry) => entry.reload_seconds_avoided)} s of loads avoided; a load takes ${medianOf((entry) => entry.last_load_seconds)} s ` +
    `and ${medianOf((entry) => entry.load_cpu_seconds)} CPU seconds, and its engine ${medianOf((entry) => (entry.memory_bytes ?? Number.NaN) / 2 ** 20)} MB: at the default prices ` +
    `keeping it pays from ${medianOf((entry) => entry.break_even?.requests_per_minute)} requests a minute on, or for ${medianOf((entry) => entry.break_even?.idle_seconds)} s between two.`
  );
}

function brief(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: value < 100 ? 2 : 3 });
}

function textFact(measured: Measured): string {
  const texts = new Map<string, Set<string>>();
  for (const { phases } of SYSTEM_NAMES.flatMap((system) => measured[system])) {
    for (const [prompt, text] of Object.values(phases).flatMap((phase) => [...phase.texts]))
      texts.set(prompt, (texts.get(prompt) ?? new Set()).add(text));
  }
  const differing = [...texts.values()].filter(({ size }) => size > 1).length;
  return `Prompts to which not all systems answered the same text: ${differing} of ${texts.size}.`;
}

function memoryFact({ reload }: Measured): string {
  const loads = sum(CONCURRENCIES.map((concurrency) => SYSTEMS.reload.requests[concurrency]));
  const [alone, four] = CONCURRENCIES.map((concurrency) =>
    (median(phasesOf(reload, concurrency).map(({ peakBytes }) => peakBytes)) / 2 ** 20).toFixed(0),
  );
  return (
    `The memory of a load per request is that of ${loads} loads in one process: ${alone} MB at most one at a time, ${four} MB four at a time, ` +
    'each with a model of its own.'
  );
}

export function drawFigures(measured: Measured, title: string): string {
  const panel = (figure: Figure, better: BarPanel['better'], unit: string): BarPanel => ({
    // the unit stands at the bars
    title: figure.title.replaceAll('`', '').replace(/, \w+$/, ''),
    better,
    bars: SYSTEM_NAMES.map((system) => {
      const value = figure.of(measured[system]);
      return {
        label: SYSTEMS[system].label,
        value,
        text: `${value.toFixed(figure.digits)}${unit}`,
        color: COLORS[system],
      };
    }),
  });
  return drawBarCharts({
    title,
    columns: 2,
    panels: [
      panel(latency(1, 50), 'less', ' ms'),
      panel(latency(4, 95), 'less', ' ms'),
      panel(rate(1), 'more', ''),
      panel(rate(4), 'more', ''),
      panel(health(4), 'less', ' ms'),
      panel(cpu(1), 'less', ' s'),
    ],
  });
}

function phasesOf(rounds: readonly Round[], concurrency: Concurrency): Phase[] {
  return rounds.map(({ phases }) => phases[concurrency]);
}
