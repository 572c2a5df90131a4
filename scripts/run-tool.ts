import { spawn } from 'node:child_process';
import { delimiter, resolve } from 'node:path';

/** How a tool ended, and what it said on both of its outputs. */
export type ToolResult = { ok: boolean; output: string };

/** Runs a program from node_modules/.bin and keeps its words back: a check that passes has nothing to say. */
export function runTool(tool: string, ...args: string[]): Promise<ToolResult> {
  return new Promise((done) => {
    const child = spawn(tool, args, { env: toolEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => done({ ok: false, output: error.message }));
    child.once('close', (code) => done({ ok: code === 0, output }));
  });
}

/** Runs a program from node_modules/.bin that speaks for itself. Resolves to its exit code. */
export function runAloud(tool: string, args: string[], env: Record<string, string>): Promise<number> {
  return new Promise((done) => {
    const child = spawn(tool, args, {
      env: { ...toolEnv(), ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', () => done(127));
    child.once('close', (code) => done(code ?? 1));
  });
}

/** The project's own tools and its own Node first, also where this is not run through npm. */
function toolEnv(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${resolve('node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}` };
}
