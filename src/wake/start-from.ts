import type { AwakeSession } from '../awake/awake-session.ts';
import type { Engine } from '../engines/engine.ts';
import { asBerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { Writer } from '../writer/writer.ts';
import type { ContainerPlan, ImageChoice } from './plan-container.ts';

interface Dependencies {
  engine: Pick<Engine, 'start'>;
  writer: Pick<Writer, 'run'>;
  images: { imageGone(group: Group, image: string): Promise<ImageChoice> };
}

/**
 * Starts the session's container. An image that somebody removed is no reason to fail: there is another one, and the agent is told.
 * @returns false where the other one lacks what the group's provider cannot work without: nothing was started.
 */
export async function startFrom(
  deps: Dependencies,
  session: AwakeSession,
  plan: ContainerPlan,
  choice: ImageChoice,
): Promise<boolean> {
  try {
    await startWith(deps, session, plan, choice);
  } catch (error) {
    if (asBerthError(error).code !== 'E_IMAGE_MISSING') throw error;
    const other = await deps.images.imageGone(session.group, choice.image);
    if (other.lacks) return false;
    await deps.writer.run('describe', { session: session.id, body: plan.body(other) });
    await startWith(deps, session, plan, other);
  }
  return true;
}

function startWith(
  { engine }: Dependencies,
  session: AwakeSession,
  plan: ContainerPlan,
  { image }: ImageChoice,
): Promise<void> {
  const spec = plan.spec(session.epoch, image);
  session.spec = spec;
  return engine.start(spec, plan.checks);
}
