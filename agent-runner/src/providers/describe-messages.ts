import type { Turn, TurnMessage } from './provider.ts';

/** How a message stands among those that an agent reads: who speaks, when, with which files. */
export function describeMessage(message: TurnMessage): string {
  const { sender, kind, createdAt, thread, context, attempt, answers, question, files } = message;
  const marks = {
    from: sender.name ? `${sender.name} (${sender.id})` : sender.id,
    at: new Date(createdAt).toISOString(),
    ...(kind === 'chat' ? {} : { kind }),
    ...(thread === null ? {} : { thread }),
    ...(context ? { context: 'read only, nobody waits for an answer' } : {}),
    ...(attempt > 1
      ? { attempt: `${attempt}: this was begun before, and some of it may have been done already` }
      : {}),
    ...(answers === undefined ? {} : { answers }),
    ...(question === undefined ? {} : { question }),
  };
  const head = Object.entries(marks).map(([name, value]) => ` ${name}=${JSON.stringify(String(value))}`);
  const attached = files.map(
    ({ path, name, type, bytes }) => `[file ${path}: ${name}, ${type}, ${bytes} bytes]`,
  );
  const text = [message.text, ...attached].filter((part) => part !== '').map(disarm);
  return `<message${head.join('')}>\n${text.join('\n')}\n</message>`;
}

/**
 * What an agent is given of a turn: its messages, each with its sender.
 * @param raw a person's slash command is given as it was typed.
 */
export function describeTurn(turn: Pick<Turn, 'messages'>, raw: boolean): string {
  const [only, ...others] = turn.messages;
  if (raw && only && others.length === 0 && isSlashCommand(only)) return only.text.trim();
  return turn.messages.map(describeMessage).join('\n\n');
}

/** True for what the agent itself is to understand as a command. What answers a question is none, whatever it looks like. */
export function isSlashCommand({
  text,
  kind,
  files,
  answers,
}: Pick<TurnMessage, 'text' | 'kind' | 'answers'> & { files: readonly unknown[] }): boolean {
  if (kind !== 'chat' || files.length > 0 || answers !== undefined) return false;
  return /^\s*\/[a-z][\w:-]*(\s|$)/i.test(text);
}

/** Nobody can end their message and begin one in another's name. */
function disarm(text: string): string {
  return text.replace(/<(?=\/?message\b)/gi, '&lt;');
}
