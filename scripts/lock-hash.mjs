import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What is bundled holds packages: those of this lock file. Its time doesn't tell, for `npm prune` writes the same once more.
 * @param {string} root folder of package-lock.json
 */
export function lockHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}
