import type { EngineApi } from './engine-api.ts';
import type { History } from './history.ts';
import { pause } from './until.ts';

/**
 * Records which containers of sessions live, from outside: by the engine's events, and after each gap in them by its list. The
 * engine's own times order what it did.
 */
export function watchContainers(engine: EngineApi, history: History): { close(): void } {
  const living = new Map<string, { session: string; epoch: number }>();
  let closed = false;
  let stream: { destroy(): void } | undefined;
  void followWithoutEnd();
  return {
    close() {
      closed = true;
      stream?.destroy();
    },
  };

  async function followWithoutEnd(): Promise<void> {
    while (!closed) {
      await follow().catch(() => undefined);
      await pause(100);
    }
  }

  async function follow(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'], label: ['berth.session'] }));
    const events = await engine.follow('GET', `/events?filters=${filters}`);
    stream = events;
    // What died while nobody listened; what started then has an event of its own or is on the list.
    const listed = await engine.containers();
    const running = listed.filter(({ State }) => State === 'running' || State === 'paused');
    for (const id of [...living.keys()]) if (!running.some(({ Id }) => Id === id)) note('gone', id);
    for (const { Id, Labels } of running) note('start', Id, Labels);
    let rest = '';
    for await (const chunk of events) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim()) take(JSON.parse(line));
    }
  }

  function take(event: { Action: string; Actor: { ID: string; Attributes: Record<string, string> } }): void {
    const { Action: action, Actor: actor } = event;
    if (action === 'start' || action === 'die') note(action, actor.ID, actor.Attributes);
  }

  function note(action: 'start' | 'die' | 'gone', id: string, labels?: Record<string, string>): void {
    // The proof of an image is no session's.
    const known = living.get(id);
    if (action === 'start' ? known : !known) return;
    const run = known ?? { session: labels?.['berth.session'] ?? '', epoch: Number(labels?.['berth.epoch']) };
    if (run.session === '') return;
    if (action === 'start') living.set(id, run);
    else living.delete(id);
    history.record({ what: 'container', action, id, ...run });
  }
}
