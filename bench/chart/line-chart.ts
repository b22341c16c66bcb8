import type { Scale } from './scale.js';
import { FAINT, GRID, formatTick, frame, round, text } from './svg.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What tells a series from the others, in colour and without. */
export interface Look {
  readonly color: string;
  readonly marker: 'circle' | 'square' | 'triangle' | 'diamond';
  readonly dashed?: boolean;
}

export interface Series {
  readonly label: string;
  readonly look: Look;
  readonly points: readonly Point[];
  /** Default: a line through the points. A fitted line needs none. */
  readonly line?: readonly Point[];
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly series: readonly Series[];
}

export interface LineCharts {
  readonly title: string;
  readonly columns: number;
  readonly panels: readonly Panel[];
}

const PANEL = { width: 460, height: 270 } as const;
const PLOT = { left: 64, top: 40, right: 20, bottom: 52 } as const;
const HEAD = 74;
const MARGIN = 12;

/** Panels side by side over one legend, on a light ground of their own: it is read in a dark page, too. */
export function drawLineCharts({ title, columns, panels }: LineCharts): string {
  const width = columns * PANEL.width + 2 * MARGIN;
  const height = HEAD + Math.ceil(panels.length / columns) * PANEL.height + MARGIN;
  const drawn = panels.map((panel, i) => {
    const x = MARGIN + (i % columns) * PANEL.width;
    const y = HEAD + Math.floor(i / columns) * PANEL.height;
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel)}\n</g>`;
  });
  return frame({ title, width, height, content: [drawLegend(panels), ...drawn] });
}

function drawLegend(panels: readonly Panel[]): string {
  const looks = new Map(
    panels.flatMap(({ series }) => series.map(({ label, look }) => [label, look] as const)),
  );
  let x = MARGIN + 12;
  const entries: string[] = [];
  for (const [label, look] of looks) {
    const line = drawLine(
      [
        { x, y: 54 },
        { x: x + 28, y: 54 },
      ],
      look,
    );
    entries.push(line, drawMarker({ x: x + 14, y: 54 }, look), text(x + 36, 58, label));
    x += 36 + label.length * 6.6 + 28;
  }
  return entries.join('\n');
}

function drawPanel({ title, xLabel, yLabel, x, y, series }: Panel): string {
  const right = PANEL.width - PLOT.right;
  const bottom = PANEL.height - PLOT.bottom;
  const place = (point: Point): Point => ({
    x: round(PLOT.left + x.position(point.x) * (right - PLOT.left)),
    y: round(bottom - y.position(point.y) * (bottom - PLOT.top)),
  });
  const rows = y.ticks.map((tick) => {
    const at = place({ x: x.ticks[0] ?? 0, y: tick }).y;
    return [
      `<line x1="${PLOT.left}" y1="${at}" x2="${right}" y2="${at}" stroke="${GRID}"/>`,
      text(PLOT.left - 8, at + 4, formatTick(tick), `text-anchor="end" fill="${FAINT}"`),
    ].join('\n');
  });
  const marks = x.ticks.map((tick) => {
    const at = place({ x: tick, y: y.ticks[0] ?? 0 }).x;
    return [
      `<line x1="${at}" y1="${bottom}" x2="${at}" y2="${bottom + 4}" stroke="${FAINT}"/>`,
      text(at, bottom + 18, formatTick(tick), `text-anchor="middle" fill="${FAINT}"`),
    ].join('\n');
  });
  return [
    text(PLOT.left, 22, title, 'font-size="13" font-weight="600"'),
    ...rows,
    `<line x1="${PLOT.left}" y1="${bottom}" x2="${right}" y2="${bottom}" stroke="${FAINT}"/>`,
    ...marks,
    text((PLOT.left + right) / 2, PANEL.height - 14, xLabel, `text-anchor="middle" fill="${FAINT}"`),
    text(
      0,
      0,
      yLabel,
      `text-anchor="middle" fill="${FAINT}" transform="translate(16 ${(PLOT.top + bottom) / 2}) rotate(-90)"`,
    ),
    // the first lies on top
    ...series.map((one) => drawSeries(one, place)).toReversed(),
  ].join('\n');
}

function drawSeries({ look, points, line = points }: Series, place: (point: Point) => Point): string {
  return [drawLine(line.map(place), look), ...points.map((point) => drawMarker(place(point), look))].join(
    '\n',
  );
}

function drawLine(points: readonly Point[], { color, dashed }: Look): string {
  const dash = dashed === true ? ' stroke-dasharray="5 4"' : '';
  const path = points.map(({ x, y }) => `${x},${y}`).join(' ');
  return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round"${dash}/>`;
}

function drawMarker({ x, y }: Point, { color, marker }: Look): string {
  const paint = `fill="${color}" stroke="#ffffff"`;
  switch (marker) {
    case 'circle':
      return `<circle cx="${x}" cy="${y}" r="4.5" ${paint}/>`;
    case 'square':
      return `<rect x="${round(x - 4)}" y="${round(y - 4)}" width="8" height="8" ${paint}/>`;
    case 'triangle':
      return polygon(
        [
          [x, y - 5.5],
          [x + 5, y + 4],
          [x - 5, y + 4],
        ],
        paint,
      );
    case 'diamond':
      return polygon(
        [
          [x, y - 5.5],
          [x + 5.5, y],
          [x, y + 5.5],
          [x - 5.5, y],
        ],
        paint,
      );
    default:
      return marker satisfies never;
  }
}

function polygon(corners: readonly (readonly [number, number])[], paint: string): string {
  return `<polygon points="${corners.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')}" ${paint}/>`;
}
