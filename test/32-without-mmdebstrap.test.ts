import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';

const program = new URL('fixtures/without-mmdebstrap.ts', import.meta.url).pathname;

test('where mmdebstrap is not installed that is said, and nothing keeps the process from ending', async () => {
  const child = spawn(process.execPath, [program], {
    env: { PATH: '/nowhere' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const end = await new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  clearTimeout(limit);
  expect({ end, printed }).toEqual({
    end: { code: 0, signal: null },
    printed: 'mmdebstrap is not installed\n',
  });
});
