import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepSecret } from './secrets.ts';

/** The token that HTTP requests have to bear: the one that is set, or the one in the data folder, made at the first start. */
export async function httpToken(configured: string | undefined, dataDir: string): Promise<string> {
  const token = configured ?? (await storedToken(dataDir));
  keepSecret(token);
  return token;
}

async function storedToken(dataDir: string): Promise<string> {
  const path = join(dataDir, 'http-token');
  try {
    const stored = (await readFile(path, 'utf8')).trim();
    if (stored) return stored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const token = randomBytes(24).toString('base64url');
  await writeFile(path, `${token}\n`, { mode: 0o600 });
  return token;
}
