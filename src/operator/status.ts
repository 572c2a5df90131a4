import { json } from 'node:stream/consumers';
import { askHost } from './ask-host.ts';
import type { StatusAnswer } from './operator-server.ts';
import { ago, printTable } from './print-table.ts';

/**
 * `berth status`: the host, its engine, its groups and sessions. In a pipe the sessions alone, tab-separated.
 * @throws E_NO_HOST.
 */
export async function status(dataDir: string, options: { json?: boolean }): Promise<void> {
  const answer = (await json(await askHost(dataDir, '/status'))) as StatusAnswer;
  const { stdout } = process;
  if (options.json) {
    stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  const now = Date.now();
  if (stdout.isTTY) {
    const { engine } = answer;
    stdout.write(
      `host     process ${answer.pid}, up ${ago(answer.startedAt, now)}, data in ${answer.dataDir}\n`,
    );
    stdout.write(
      `engine   ${engine.error === null ? `${engine.kind} ${engine.version ?? ''}` : `${engine.kind} does not answer: ${engine.error}`}\n`,
    );
    const { taken, most, waiting } = answer.places;
    stdout.write(`places   ${taken} of ${most} taken${waiting > 0 ? `, ${waiting} sessions wait` : ''}\n`);
    for (const { folder, provider, error } of answer.groups) {
      stdout.write(`group    ${folder} ${error === null ? `(${provider})` : `is not valid: ${error}`}\n`);
    }
    stdout.write('\n');
  }
  printTable(
    stdout,
    ['SESSION', 'GROUP', 'CHAT', 'STATE', 'SINCE', 'QUEUE', 'PLACE', 'LAST ERROR'],
    answer.sessions.map((session) => [
      session.id,
      session.group,
      session.thread === null ? session.chat : `${session.chat}/${session.thread}`,
      session.state,
      ago(session.since, now),
      String(session.queue),
      session.place === null ? '-' : String(session.place),
      session.lastError === null
        ? '-'
        : `${session.lastError.code}: ${session.lastError.reason}`.slice(0, 120),
    ]),
  );
}
