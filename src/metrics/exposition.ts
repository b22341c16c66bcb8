import { Counter, Gauge, Registry } from 'prom-client';
import type { ModelFigures } from '../residency/residency.service.js';
import { MODEL_METRICS, SERVER_METRICS, type Metric, type ServerFigures } from './metric-definitions.js';

/** Of every name. */
export const PREFIX = 'resident_';

type Labels = Readonly<Record<string, string>>;
/** Takes up a subject's values of one metric. */
type Write<Figures> = (labels: Labels, figures: Figures) => void;

/** The metrics in the text format of Prometheus. They hold what they were given last: nothing is counted here. */
export class Exposition {
  readonly #registry = new Registry();
  readonly #models = MODEL_METRICS.map((metric) => this.#add(metric, ['model_name']));
  readonly #server = SERVER_METRICS.map((metric) => this.#add(metric, []));

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(models: readonly ModelFigures[], server: ServerFigures): Promise<string> {
    this.#registry.resetMetrics();
    for (const figures of models) {
      const labels = { model_name: figures.usage.name };
      for (const write of this.#models) write(labels, figures);
    }
    for (const write of this.#server) write({}, server);
    return this.#registry.metrics();
  }

  #add<Figures>(
    { name, type, help, label, read }: Metric<Figures>,
    labels: readonly string[],
  ): Write<Figures> {
    const labelNames = label === undefined ? labels : [...labels, label];
    const options = { name: PREFIX + name, help, labelNames, registers: [this.#registry] };
    // after a reset, adding to a counter sets it
    const metric = type === 'counter' ? new Counter(options) : new Gauge(options);
    return (own, figures) => {
      const value = read(figures);
      if (typeof value === 'number') metric.inc(own, value);
      else if (label !== undefined)
        for (const [key, one] of Object.entries(value ?? {})) metric.inc({ ...own, [label]: key }, one);
    };
  }
}
