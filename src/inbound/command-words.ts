import type { Group } from '../groups/group.ts';
import type { SessionRow } from '../ledger/ledger-reads.ts';
import type { SlashCommand } from './slash-command.ts';

/** What a person reads as the answer to a command. */
interface CommandWords {
  text: string;
  /** Instead, when there was nothing to be stopped. */
  whenIdle?: string;
}

const HELP = `/stop ends what the agent is doing, and drops what waits in this chat.
/new begins a new conversation: what was said before is forgotten. Files stay.
/status says how the agent is.
/help is this.
Every other word goes to the agent, other /commands too.`;

/**
 * The host's own words. Pure.
 * @param session as the ledger knows it; `undefined` before its first message.
 */
export function commandWords(
  command: SlashCommand,
  group: Group,
  session: SessionRow | undefined,
  now: number,
): CommandWords {
  switch (command) {
    case 'stop':
      return { text: 'Stopped.', whenIdle: 'There is nothing to stop.' };
    case 'new':
      return { text: 'A new conversation begins.' };
    case 'status':
      return { text: status(group, session, now) };
    case 'help':
      return { text: HELP };
  }
}

function status({ name, agent }: Group, session: SessionRow | undefined, now: number): string {
  const who = `${name}: ${agent.provider}${agent.model ? ` (${agent.model})` : ''}`;
  if (!session) return `${who}\nNothing was said here yet.`;
  const { id, state, since, queue, schedules, errorCode, errorReason } = session;
  const waits = queue === 0 ? 'no message waits' : queue === 1 ? '1 message waits' : `${queue} messages wait`;
  return [
    who,
    `Session ${id}: ${state} for ${span(now - since)}, ${waits} for an answer`,
    ...(schedules > 0 ? [`Schedules: ${schedules}`] : []),
    ...(errorCode === null ? [] : [`Last error: ${errorReason} [${errorCode}]`]),
  ].join('\n');
}

function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
