import { printable } from '../channels/terminal/printable.ts';
import { readLines } from '../channels/terminal/read-lines.ts';
import type { Config } from '../config.ts';
import { BerthError, describeError } from '../errors.ts';
import { type ChatFrame, type ChatLine, openChatLine } from './chat-line.ts';

/** How often is looked whether all is answered, in milliseconds. */
const LOOK_MS = 200;
/** For how long a host is waited for: it may have been started in the same breath. In milliseconds. */
const START_MS = 10_000;

/**
 * A talk at the terminal with a group of the running host: each line of the input is a message, what comes back is printed. Of a
 * talk in a pipe stdout has the replies alone.
 * @param words one message instead of the input.
 * @returns 1 when a message failed, else 0.
 * @throws E_NO_HOST when none answers for some seconds; what the host refuses the message with.
 */
export async function talk(
  config: Readonly<Config>,
  group: string,
  words: string[],
  { chat }: { chat: string },
): Promise<number> {
  const line = await openWhenUp(config, group, chat);
  const waiting = new Map<string, string>();
  let failed = false;
  const aside = (text: string) => void process.stderr.write(`${printable(text)}\n`);

  const show = ({ name, data }: ChatFrame) => {
    if (name === 'notice') aside(`(${data.text})`);
    if (name === 'message' && data.text)
      process.stdout.write(`${process.stdout.isTTY ? printable(data.text) : data.text}\n`);
    for (const file of data.files ?? []) aside(`file: ${file.name} (${file.bytes} bytes)`);
    const mine = [...(data.answers ?? []), data.inReplyTo ?? ''].filter((id) => waiting.has(id));
    if (name === 'failure') {
      aside(`${data.reason} [${data.code}]`);
      failed ||= mine.length > 0;
    }
    // A message in mid-turn answers nothing yet; a failure names the one that failed.
    for (const id of name === 'failure' ? mine : (data.answers ?? [])) waiting.delete(id);
  };
  const shown = line.follow(show);
  try {
    const input =
      words.length > 0 ? [words.join(' ')] : readLines(process.stdin, (error) => aside(error.message));
    for await (const text of input) {
      const { message, session } = await line.post(text);
      waiting.set(message, session);
    }
    await Promise.race([untilAnswered(line, waiting), shown]);
    return failed ? 1 : 0;
  } catch (error) {
    if (words.length > 0) throw error;
    aside(describeError(error));
    return 1;
  } finally {
    line.close();
  }
}

async function openWhenUp(config: Readonly<Config>, group: string, chat: string): Promise<ChatLine> {
  const until = performance.now() + START_MS;
  for (let told = false; ; told = true) {
    try {
      return await openChatLine(config, group, chat);
    } catch (error) {
      const isDown = error instanceof BerthError && error.code === 'E_NO_HOST' && config.httpPort !== 0;
      if (!isDown || performance.now() > until) throw error;
    }
    if (!told && process.stderr.isTTY)
      process.stderr.write(`(no host answers yet: waiting up to ${START_MS / 1000} s)\n`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** An answer by silence has no event: then the session has nothing more to do, twice in a row. */
async function untilAnswered(line: ChatLine, waiting: Map<string, string>): Promise<void> {
  for (let idle = 0; waiting.size > 0 && idle < 2; ) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const sessions = [...new Set(waiting.values())];
    const queues = await Promise.all(sessions.map((session) => line.queue(session)));
    idle = queues.every((queue) => queue === 0) ? idle + 1 : 0;
  }
}
