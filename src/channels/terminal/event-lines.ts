import { describeError } from '../../errors.ts';
import type { ChatEvent, Host } from '../channel.ts';
import { oneLine } from './printable.ts';

/** A failure in one line: the reason and the code. */
export function failureLine({ reason, code }: ChatEvent): string {
  return `${oneLine(reason ?? 'the message failed')} [${code}]`;
}

/** A line for each file that came with a reply: its name and where it lies. */
export function fileLines({ channel, group, chat, id, files }: ChatEvent, host: Host): Promise<string[]> {
  const lines = files.map(async ({ name, bytes }) => {
    try {
      const { path } = await host.file({ channel, group, chat }, id, name);
      return `file: ${oneLine(name)} (${bytes} bytes) ${path}`;
    } catch (error) {
      return `file: ${oneLine(name)}: ${oneLine(describeError(error))}`;
    }
  });
  return Promise.all(lines);
}
