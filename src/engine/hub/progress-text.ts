import { formatBytes } from '../placement/bytes.js';
import type { LoadProgress } from '../types.js';

/** Where a bar is drawn: `process.stderr`, for example. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  /** 0: it doesn't know. */
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Columns of the bar. */
const BAR = 20;
/** Where there is no terminal: a line for so many percent, or milliseconds. */
const STEP_PERCENT = 10;
const STEP_MS = 10_000;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001B[K';

interface Download {
  readonly since: number;
  /** That were there when it began: not downloaded now. */
  readonly firstBytes: number;
  bytes: number;
  readonly totalBytes: number;
  loggedAt: number;
  loggedPercent: number;
}

/** Shows downloads: as a bar on a terminal, elsewhere as lines, at the start, every 10 % or 10 s, and at the end. */
export class DownloadDisplay {
  readonly #out: Terminal;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #downloads = new Map<string, Download>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(out: Terminal, log: (line: string) => void, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#log = log;
    this.#now = now;
  }

  /** Takes what a load tells; when it goes on to something else, its download has ended. */
  show(modelName: string, progress: LoadProgress): void {
    if (progress.phase !== 'downloading') return this.end(modelName);
    const { bytes, totalBytes } = progress;
    const known = this.#downloads.get(modelName);
    const now = this.#now();
    // another total is another download: first the configuration, then the weights that were chosen by it
    const goesOn = known?.totalBytes === totalBytes;
    const download = (goesOn ? known : undefined) ?? {
      since: now,
      firstBytes: bytes,
      bytes,
      totalBytes,
      loggedAt: -Infinity,
      loggedPercent: 0,
    };
    download.bytes = bytes;
    this.#downloads.set(modelName, download);
    if (this.#out.isTTY) this.#draw();
    else this.#logSteps(modelName, download, now);
  }

  /** The load has failed, or has what it needs. */
  end(modelName: string): void {
    const download = this.#downloads.get(modelName);
    if (!download) return;
    this.#downloads.delete(modelName);
    const { bytes, firstBytes, totalBytes } = download;
    if (this.#out.isTTY) this.#out.write(CLEAR_LINE);
    const seconds = ((this.#now() - download.since) / 1000).toFixed(1);
    if (bytes >= totalBytes)
      this.#print(`${modelName}: downloaded ${formatBytes(bytes - firstBytes)} in ${seconds} s`);
    else this.#print(`${modelName}: the download ended at ${amountText(download)}`);
    if (this.#out.isTTY) this.#draw();
  }

  #print(line: string): void {
    if (this.#out.isTTY) this.#out.write(`${line}\n`);
    else this.#log(line);
  }

  /** All of them in one line, as much of it as fits. */
  #draw(): void {
    if (this.#downloads.size === 0) return;
    const line = [...this.#downloads]
      .map(([name, download]) => `${name} ${barText(download)}, ${this.#text(download)}`)
      .join('  ');
    this.#out.write(`${CLEAR_LINE}${line.slice(0, (this.#out.columns || DEFAULT_COLUMNS) - 1)}`);
  }

  #logSteps(modelName: string, download: Download, now: number): void {
    const percent = percentOf(download);
    const isDue = percent >= download.loggedPercent + STEP_PERCENT || now >= download.loggedAt + STEP_MS;
    // what comes next is that it has ended
    if (percent === 100) return;
    if (!isDue) return;
    download.loggedAt = now;
    download.loggedPercent = percent - (percent % STEP_PERCENT);
    this.#log(`${modelName}: downloading, ${this.#text(download)}`);
  }

  /** `12 MB of 30 MB, 40%, 3.1 MB/s, 6 s left` */
  #text(download: Download): string {
    const seconds = (this.#now() - download.since) / 1000;
    const rate = seconds > 0 ? (download.bytes - download.firstBytes) / seconds : 0;
    const left = Math.ceil((download.totalBytes - download.bytes) / rate);
    const pace = rate > 0 ? `, ${formatBytes(rate)}/s, ${timeText(left)} left` : '';
    return `${amountText(download)}${pace}`;
  }
}

function percentOf({ bytes, totalBytes }: Download): number {
  return totalBytes === 0 ? 100 : Math.floor((bytes / totalBytes) * 100);
}

function amountText(download: Download): string {
  const { bytes, totalBytes } = download;
  return `${formatBytes(bytes)} of ${formatBytes(totalBytes)}, ${percentOf(download)}%`;
}

/** `[####                ]` */
function barText(download: Download): string {
  const full = Math.floor((percentOf(download) / 100) * BAR);
  return `[${'#'.repeat(full).padEnd(BAR)}]`;
}

function timeText(seconds: number): string {
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
