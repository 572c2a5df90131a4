import { readFile } from 'node:fs/promises';

/** Where the host has something mounted; nothing on a machine that does not tell (not Linux). */
export async function readMountPoints(): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return table.split('\n').flatMap((line) => {
    const path = line.split(' ')[4];
    // The kernel writes blanks and the like as `\040`.
    return path
      ? [path.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))]
      : [];
  });
}
