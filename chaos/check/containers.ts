import { all, type Evidence, type Violation } from './evidence.ts';

/** No two containers of a session lived at the same time, by the engine's own word. */
export function checkContainers({ history }: Evidence): Violation[] {
  const living = new Map<string, Set<string>>();
  const found: Violation[] = [];
  for (const { action, id, session, epoch } of all(history, 'container')) {
    const ids = living.get(session) ?? new Set<string>();
    living.set(session, ids);
    if (action === 'start') ids.add(id);
    else ids.delete(id);
    if (ids.size > 1) {
      const words = `${session} had ${ids.size} containers when epoch ${epoch} started`;
      found.push({ rule: 'two containers of one session alive at once', words });
    }
  }
  return found;
}

const RESTING = ['asleep', 'failed'];
const UNDER_WAY = ['pending', 'sending', 'retry'];

/** After the end no container is left, and no row that says that something is under way. */
export function checkLeftovers(evidence: Evidence): Violation[] {
  const { containers, inbox, outbox, sessions, leftInFiles } = evidence;
  const words = [
    ...containers.map((name) => `container ${name}`),
    ...inbox.filter(({ status }) => status === 'waiting').map(({ id }) => `message ${id} waits`),
    ...outbox.filter(({ status }) => UNDER_WAY.includes(status)).map(({ n, status }) => `r${n} is ${status}`),
    ...sessions
      .filter(({ state }) => !RESTING.includes(state))
      .map(({ id, state }) => `session ${id} is ${state}`),
    ...leftInFiles.map((left) => `${left.session}: ${left.words}`),
  ];
  return words.map((text) => ({ rule: 'a container or row left behind', words: text }));
}
