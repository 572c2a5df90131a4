import { json } from 'node:stream/consumers';
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
  for await (const chunk of answer) process.stdout.write(chunk as Buffer);
}
