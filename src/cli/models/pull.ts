import type { LoadedConfig } from '../../config/load-config.js';
import { HubModel } from '../../engine/hub/hub-model.js';
import { hubId } from '../../engine/hub/hub-source.js';
import { DownloadDisplay, type Terminal } from '../../engine/hub/progress-text.js';
import { chooseDtypes } from '../../engine/placement/choose-dtypes.js';
import { findDevices } from '../../engine/placement/devices.js';
import { thisMachine } from '../../engine/placement/machine.js';
import type { ConcreteDevice, Device, Dtype } from '../../engine/types.js';
import { findSubject, hubOf } from './subject.js';

/**
 * Downloads a model, or brings it to what the hub has now; files that are there are checked.
 * @throws ModelLoadError
 */
export async function pullModel(
  what: string,
  {
    config,
    dtype,
    terminal,
    print,
  }: {
    config: LoadedConfig;
    dtype: Dtype | undefined;
    terminal: Terminal;
    print: (line: string) => void;
  },
): Promise<void> {
  const subject = findSubject(what, config);
  const source = hubOf(what, subject);
  const id = hubId(source);
  const display = new DownloadDisplay(terminal, (line) => terminal.write(`${line}\n`));
  const model = new HubModel(source, config.hub, (progress) => display.show(id, progress));
  try {
    await model.refresh();
    const asked = dtype ?? subject.model?.dtype ?? 'auto';
    const device = deviceFor(subject.model?.device ?? 'auto');
    const [best] = chooseDtypes(asked, [...model.weights.keys()], device);
    await model.refresh(best);
    display.end(id);
    const commit = model.commit === undefined ? '' : ` at commit ${model.commit.slice(0, 12)}`;
    print(`${id} (${best})${commit} is in ${model.folder}`);
  } catch (error) {
    display.end(id);
    throw error;
  }
}

/** Where `device: auto` would try it first. */
function deviceFor(asked: Device): ConcreteDevice {
  if (asked !== 'auto') return asked;
  return findDevices(thisMachine()).find(({ promising }) => promising)?.device ?? 'cpu';
}
