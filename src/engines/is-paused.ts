import type { Engine } from './engine.ts';

/** Whether the engine holds that container paused right now. */
export async function isPaused(engine: Engine, install: string, name: string): Promise<boolean> {
  return (await engine.list(install)).some((found) => found.name === name && found.paused);
}
