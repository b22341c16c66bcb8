import { FAINT, frame, round, text } from './svg.js';

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** As it is written at the bar's end. */
  readonly text: string;
  readonly color: string;
}

export interface BarPanel {
  readonly title: string;
  /** What it is better to have: more of it, or less. */
  readonly better: 'more' | 'less';
  /** Of one scale, from zero. */
  readonly bars: readonly Bar[];
}

export interface BarCharts {
  readonly title: string;
  readonly columns: number;
  readonly panels: readonly BarPanel[];
}

const PANEL_WIDTH = 460;
const HEAD = 58;
const PANEL_HEAD = 34;
const BAR = { height: 20, pitch: 28 } as const;
/** Room for the names on the left of the bars, and for the values on their right. */
const ROOM = { left: 132, right: 82 } as const;
const MARGIN = 12;

/** Panels of horizontal bars, each with a scale of its own. */
export function drawBarCharts({ title, columns, panels }: BarCharts): string {
  const most = Math.max(...panels.map(({ bars }) => bars.length));
  const panelHeight = PANEL_HEAD + most * BAR.pitch + 14;
  const drawn = panels.map((panel, i) => {
    const x = MARGIN + (i % columns) * PANEL_WIDTH;
    const y = HEAD + Math.floor(i / columns) * panelHeight;
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel)}\n</g>`;
  });
  return frame({
    title,
    width: columns * PANEL_WIDTH + 2 * MARGIN,
    height: HEAD + Math.ceil(panels.length / columns) * panelHeight + MARGIN,
    content: drawn,
  });
}

function drawPanel({ title, better, bars }: BarPanel): string {
  const longest = PANEL_WIDTH - ROOM.left - ROOM.right;
  const largest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const rows = bars.flatMap(({ label, value, text: written, color }, i) => {
    const y = PANEL_HEAD + i * BAR.pitch;
    // what is next to nothing is still there
    const width = Math.max(2, round((value / largest) * longest));
    return [
      text(ROOM.left - 10, y + 14, label, `text-anchor="end"`),
      `<rect x="${ROOM.left}" y="${y}" width="${width}" height="${BAR.height}" rx="2" fill="${color}"/>`,
      text(ROOM.left + width + 8, y + 14, written, 'font-weight="600"'),
    ];
  });
  const hint = `${better === 'more' ? 'longer' : 'shorter'} is better`;
  return [
    text(12, 18, title, 'font-size="13" font-weight="600"'),
    text(PANEL_WIDTH - 16, 18, hint, `text-anchor="end" fill="${FAINT}"`),
    ...rows,
  ].join('\n');
}
