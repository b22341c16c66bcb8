/**
 * Makes the deployment package of an AWS Lambda function. `npm run lambda:package -- --out build/lambda --stream`
 * The configuration is the file that RESIDENT_CONFIG names.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseAmong } from '../bench/support/arguments.js';
import { messageOf } from '../src/engine/errors.js';
import { packageLambda } from './lambda/package.js';

/** What Lambda takes of a zip, unpacked; a container image may have 10 GB. */
const MOST_ZIP_BYTES = 250 * 2 ** 20;

try {
  await main();
} catch (error) {
  process.stderr.write(`lambda:package: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'build/lambda' },
      arch: { type: 'string', default: process.arch },
      stream: { type: 'boolean', default: false },
    },
  });
  const out = resolve(values.out);
  const [architecture = 'x64'] = chooseAmong('arch', values.arch, ['x64', 'arm64'] as const);
  const { bytes, hubModels } = await packageLambda({
    out,
    architecture,
    streaming: values.stream,
    config: process.env['RESIDENT_CONFIG'],
  });
  process.stdout.write(`${out}: ${megabytes(bytes)}, handler.handler\n`);
  if (hubModels.length > 0) process.stdout.write(`from the hub: ${hubModels.join(', ')}\n`);
  if (bytes > MOST_ZIP_BYTES)
    process.stdout.write(
      `A zip may unpack to ${megabytes(MOST_ZIP_BYTES)}: deploy this folder as a container image.\n`,
    );
}

function megabytes(count: number): string {
  return `${(count / 2 ** 20).toFixed(0)} MB`;
}
