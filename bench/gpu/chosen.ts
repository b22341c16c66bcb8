import { Generator } from './generator.js';

export interface Choice {
  readonly model: string;
  readonly device: string;
  readonly dtype: string;
  readonly reasons: string;
}

/** What `device: auto` and `dtype: auto` come to. */
export async function chosenFor(model: string, folder: string): Promise<Choice> {
  const generator = await Generator.load(folder, { device: 'auto', dtype: 'auto' });
  const { device, dtype, deviceReason = '', dtypeReason = '' } = generator.info;
  await generator.stop();
  return { model, device, dtype, reasons: `${deviceReason} ${dtypeReason}` };
}
