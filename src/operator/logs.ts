import { json } from 'node:stream/consumers';
import { BerthError } from '../errors.ts';
import { askHost } from './ask-host.ts';

/**
 * `berth logs [-f] <session>`: what the session's container printed; with `follow` until it ends or Ctrl-C.
 * @throws E_NO_HOST, E_SESSION_UNKNOWN.
 */
export async function logs(
  dataDir: string,
  session: string,
  options: { follow?: boolean; lines: number },
): Promise<void> {
  const query = new URLSearchParams({
    session,
    lines: String(options.lines),
    ...(options.follow ? { follow: '1' } : {}),
  });
  const answer = await askHost(dataDir, `/logs?${query}`);
  if (!options.follow) {
    const { lines } = (await json(answer)) as { lines: string };
    process.stdout.write(lines.endsWith('\n') || lines === '' ? lines : `${lines}\n`);
    return;
  }
  try {
    for await (const chunk of answer) process.stdout.write(chunk as Buffer);
  } catch (error) {
    throw new BerthError('E_NO_HOST', 'the host went away while the log was followed', error);
  }
}
