import { json } from 'node:stream/consumers';
import { printable } from '../channels/terminal/printable.ts';
import { inWords } from '../duration.ts';
import type { Why } from '../recovery/explain-wait.ts';
import { askHost } from './ask-host.ts';
import { whyWithoutHost } from './ledger-without-host.ts';
import { withoutHostElse } from './without-host.ts';

/**
 * `berth why <session>`: why there is no reply. Works without a host, too.
 * @throws E_SESSION_UNKNOWN, E_NO_HOST where there is no ledger either, E_DATA_LOCKED.
 */
export async function why(dataDir: string, session: string, options: { json?: boolean }): Promise<void> {
  const query = new URLSearchParams({ session });
  const answer = await withoutHostElse(
    async () => (await json(await askHost(dataDir, `/why?${query}`))) as Why,
    () => whyWithoutHost(dataDir, session),
  );
  const text = options.json ? JSON.stringify(answer, null, 2) : inLines(answer, Date.now()).join('\n');
  process.stdout.write(`${text}\n`);
}

function inLines(answer: Why, now: number): string[] {
  const { session, group, state, words, since, waiting, tried, next, crashReport } = answer;
  const [oldest] = waiting;
  const count = `${waiting.length} ${waiting.length === 1 ? 'message' : 'messages'}`;
  const told = waiting.filter((message) => message.told).length;
  const lines = [
    `${session} of group ${group} (${state}): ${words}`,
    ...(since === null ? [] : [`since     ${inWords(Math.max(0, now - since))}`]),
    ...(oldest
      ? [
          `waiting   ${count}, the oldest ${oldest.id} for ${inWords(Math.max(0, now - oldest.since))}${told > 0 ? `; ${told} told that it does not work now` : ''}`,
        ]
      : []),
    ...tried.map((one) => `tried     ${one}`),
    `next      ${next}`,
    ...(crashReport === null ? [] : [`report    ${crashReport}`]),
  ];
  // Words of a container stand in some of them.
  return lines.map((line) => printable(line).replaceAll('\n', ' '));
}
