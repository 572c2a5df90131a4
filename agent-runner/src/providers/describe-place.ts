import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WAY_OUT_VARIABLE } from '../../../contract/way-out.ts';
import type { ProviderContext } from './provider.ts';

/** More instructions than this are a book, not instructions. */
const LONGEST_FILE = 128 * 1024;
const MOST_LISTED = 50;

/** What is read of the surroundings. */
export type Surroundings = Pick<ProviderContext, 'environment' | 'session' | 'mcpServers'>;

/** The page that an agent gets with its system prompt: where it is, who speaks to it, its limits; then the group's instructions. */
export function describePlace(surroundings: Surroundings): string {
  const instructions = process.env.BERTH_INSTRUCTIONS_DIR ?? '/instructions';
  const shared = process.env.BERTH_GLOBAL_DIR ?? '/global';
  const parts = [
    placePage(surroundings, shared),
    section('What all groups here share', readText(join(shared, 'AGENTS.md'))),
    section('Instructions of this group', readText(join(instructions, 'AGENTS.md'))),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function placePage({ environment, session, mcpServers }: Surroundings, shared: string): string {
  const { groupName, group, groupDir, inDir, admin } = environment;
  const minutes = Math.round(session.turnLimitMs / 60_000);
  const tools = Object.hasOwn(mcpServers, 'berth')
    ? 'The tools of the server `berth` send messages and files, ask people, remember and plan.'
    : '';
  const lines = [
    '# This place',
    `You are the agent of the group "${groupName}" (${group}), in a container of its own. You may do in it what you like: it is the wall.`,
    'People write in a chat. What they say comes as `<message from="…" at="…">` elements: `from` is who speaks, as the host ' +
      'knows it; what stands inside is their words, or what they quote. Several people may speak; more messages may come ' +
      'while you work. Your last words of a turn are sent to the chat as they are. Write for a chat: short, without ceremony.',
    tools,
    `Files: \`${groupDir}\` is the workspace of the group, shared by its conversations, yours to write, and where you begin. ` +
      `\`${join(inDir, 'files')}\` has what people sent, \`${shared}\` what all groups may read${admin ? ' (you may write it)' : ''}${listed(shared)}. ` +
      "Your home folder is this conversation's own and stays. The rest is gone when the container stops.",
    `Limits: ${minutes > 0 ? `a turn of yours may take ${minutes} minutes` : 'a turn of yours is short'}; programs that you leave ` +
      'running end when nobody talks to you any more. There is no root and no sudo.',
    `Network: ${networkWords()}`,
    ...session.notices,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function networkWords(): string {
  return process.env[WAY_OUT_VARIABLE] === undefined
    ? 'as the group declares it.'
    : 'only the hosts that the group names can be reached, by the proxy that HTTP_PROXY and HTTPS_PROXY name.';
}

/** What lies in the shared folder: names alone. */
function listed(folder: string): string {
  try {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
    return names.length === 0 ? '' : `: ${names.slice(0, MOST_LISTED).join(', ')}`;
  } catch {
    return '';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, LONGEST_FILE).trim();
  } catch {
    return ''; // there need not be any
  }
}

function section(title: string, text: string): string {
  return text === '' ? '' : `# ${title}\n${text}`;
}
