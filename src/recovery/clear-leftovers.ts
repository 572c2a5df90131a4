import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  engine: Engine;
  writer: Writer;
  clock: Clock;
  log: Logger;
  install: string;
}

/**
 * At the host's start: removes the containers that an earlier host left, and puts their sessions to sleep.
 * @returns the sessions that were not asleep: what their containers had committed is still to be collected.
 * @throws E_ENGINE_UNREACHABLE.
 */
export async function clearLeftovers(deps: Dependencies): Promise<{ id: string; group: string }[]> {
  const found = await deps.engine.list(deps.install);
  await Promise.all(found.map(({ name }) => deps.engine.remove(name)));
  if (found.length > 0)
    deps.log.warn({ containers: found.map(({ name }) => name) }, 'containers of an earlier host removed');
  return deps.writer.run('recover', { now: deps.clock.now() });
}
