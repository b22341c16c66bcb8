/** What every chart is drawn with. */
export const INK = '#24292f';
export const FAINT = '#57606a';
export const GRID = '#d8dee4';
const FONT = `font-family="system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"`;

export interface Frame {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  /** Elements, drawn one over the other. */
  readonly content: readonly string[];
}

/** A whole picture with its title, on a light ground of its own: it is read in a dark page, too. */
export function frame({ title, width, height, content }: Frame): string {
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ${FONT} font-size="12" fill="${INK}">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#ffffff" stroke="${GRID}"/>`,
    text(24, 30, title, 'font-size="16" font-weight="600"'),
    ...content,
    '</svg>',
  ].join('\n')}\n`;
}

export function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

/** A tick's value, without the noise of floating point. */
export function formatTick(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en-US');
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
