import { readFileSync, writeFileSync } from 'node:fs';
import type { ToolResult } from './run-tool.ts';

/**
 * Packages that package.json denies install scripts (allowScripts: false) bring what they need ready built. npm
 * before 11 does not know that field and would compile them, which a machine without a compiler cannot; it heeds
 * `gypfile: false` in the lockfile, but every `npm install` writes the lockfile without it.
 * `node scripts/check-lockfile.ts --fix` puts it back.
 */
export function checkLockfile(fix = false): ToolResult {
  const { allowScripts }: { allowScripts: Record<string, boolean> } = read('package.json');
  const lockfile: { packages: Record<string, { gypfile?: boolean }> } = read('package-lock.json');
  const lacking = Object.keys(allowScripts).filter((name) => {
    const entry = lockfile.packages[`node_modules/${name}`];
    return allowScripts[name] === false && entry !== undefined && entry.gypfile !== false;
  });
  if (lacking.length === 0) return { ok: true, output: '' };
  if (!fix) {
    const names = lacking.join(', ');
    return {
      ok: false,
      output: `package-lock.json: no "gypfile": false at ${names}. Run node scripts/check-lockfile.ts --fix`,
    };
  }
  for (const name of lacking)
    Object.assign(lockfile.packages[`node_modules/${name}`] ?? {}, { gypfile: false });
  writeFileSync('package-lock.json', `${JSON.stringify(lockfile, null, 2)}\n`);
  return { ok: true, output: '' };
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8'));
}

if (import.meta.main) checkLockfile(process.argv.includes('--fix'));
