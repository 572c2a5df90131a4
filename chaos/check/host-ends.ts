import { all, type Evidence, type Violation } from './evidence.ts';

/** A host may end by itself when it cannot work: so long before and after the engine or the disk failed it, in milliseconds. */
const NEAR_MS = 15_000;

/** A host that nobody ended ends only where it has neither engine nor disk; and it broke no rule of the platform. */
export function checkHost({ history }: Evidence): Violation[] {
  const excuses = history.filter(({ what }) => what === 'engine' || what === 'disk').map(({ at }) => at);
  const ends = all(history, 'host').flatMap((happening) => {
    const byItself = happening.action === 'exit' && !happening.asked && happening.failpoint === null;
    if (!byItself || excuses.some((at) => Math.abs(happening.at - at) < NEAR_MS)) return [];
    return [{ rule: 'the host ended by itself', words: `${happening.words}; see host.log` }];
  });
  const offences = all(history, 'offence');
  return [...ends, ...offences.map(({ words }) => ({ rule: 'a rule of the platform broken', words }))];
}
