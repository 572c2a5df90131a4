import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { killWithAll, lingeringProcesses } from '../agent-runner/src/lingering-processes.ts';

/** A shell with a child of its own. @returns both pids. */
async function family(): Promise<{ shell: number; child: number }> {
  const shell: ChildProcess = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { detached: true });
  const pid = shell.pid as number;
  onTestFinished(async () => {
    const gone = once(shell, 'exit');
    process.kill(-pid, 'SIGKILL');
    await gone;
  });
  const [line] = (await once(shell.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { shell: pid, child: Number(line.toString()) };
}

const notAlone = { pid: process.pid, ppid: 12345 };

test('finds what descends from us, of whatever depth', async () => {
  const { shell, child } = await family();
  expect(lingeringProcesses([], notAlone)).toEqual(expect.arrayContaining([shell, child]));
  expect(lingeringProcesses([], { pid: shell, ppid: process.pid })).toEqual([child]);
  expect(lingeringProcesses([], { pid: child, ppid: shell })).toEqual([]);
});

test("the provider's own do not count, but what they started does", async () => {
  const { shell, child } = await family();
  const found = lingeringProcesses([shell], notAlone);
  expect(found).toContain(child);
  expect(found).not.toContain(shell);
});

test('in a container of our own everything counts but the init', async () => {
  const { shell, child } = await family();
  const found = lingeringProcesses([], { pid: child, ppid: 1 });
  expect(found).toEqual(expect.arrayContaining([shell, process.pid]));
  expect(found).not.toContain(child);
  expect(found).not.toContain(1);
});

test('the dead do not count', async () => {
  // The child ends, and its parent, which has become another program, never asks what became of it.
  const shell = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60'], { detached: true });
  const pid = shell.pid as number;
  onTestFinished(() => void process.kill(-pid, 'SIGKILL'));
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const stat = () => readFileSync(`/proc/${line.toString().trim()}/stat`, 'utf8');
  await expect.poll(stat, { timeout: 5000 }).toContain(') Z ');
  expect(lingeringProcesses([], { pid, ppid: process.pid })).toEqual([]);
});

test('a program is ended with what its tools started in process groups of their own', async () => {
  const program = spawn('sh', ['-c', 'setsid sleep 60 & echo $!; wait']);
  onTestFinished(() => void program.kill('SIGKILL'));
  const [line] = (await once(program.stdout, 'data')) as [Buffer];
  const gone = once(program, 'exit');
  killWithAll(program);
  expect((await gone)[1]).toBe('SIGKILL');
  // Its parent is gone, so it is for init to fetch: until then it is a name without a program.
  const commandLine = () => readFileSync(`/proc/${line.toString().trim()}/cmdline`, 'utf8');
  await expect.poll(() => ended(commandLine)).toBe(true);
  killWithAll(program);
});

function ended(commandLine: () => string): boolean {
  try {
    return commandLine() === '';
  } catch {
    return true;
  }
}
