import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { descendants, listProcesses } from '../lingering-processes.ts';
import type { McpServer } from './provider.ts';

/**
 * Pids of an agent's process and of the servers of tools that it has started, which live as long as it does and are frozen
 * with it. Whatever else it has started is not its own: something that the agent left running.
 */
export function withServers(
  agent: number | undefined,
  servers: Readonly<Record<string, McpServer>>,
): number[] {
  if (agent === undefined) return [];
  const programs = Object.values(servers).flatMap((server) => ('command' in server ? [server] : []));
  if (programs.length === 0) return [agent];
  const all = listProcesses();
  const started = all.filter(({ parent, pid }) => parent === agent && isOneOf(programs, commandLine(pid)));
  const roots = started.map(({ pid }) => pid);
  return [agent, ...roots, ...descendants(all, new Set(roots))];
}

/** A script is run by its interpreter: then its name comes second. */
function isOneOf(programs: { command: string; args: string[] }[], words: string[]): boolean {
  return programs.some(({ command, args }) => {
    const own = words.slice(0, words.length - args.length);
    const tail = words.slice(own.length);
    return (
      own.slice(0, 2).some((word) => basename(word) === basename(command)) &&
      tail.join('\0') === args.join('\0')
    );
  });
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return []; // it has ended meanwhile
  }
}
