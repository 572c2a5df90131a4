import type { Group } from '../groups/group.ts';
import { packageName, providers } from '../groups/providers.ts';
import type { ImageSpec } from './image-spec.ts';

/**
 * Whether an image lacks what the group's provider cannot work without: such a group does not start from it, but waits for one
 * that has it. Pure.
 * @param declaration of the image; `undefined`: the base image.
 */
export function lacksPackages(
  { runner, agent }: Pick<Group, 'runner' | 'agent'>,
  declaration: ImageSpec | undefined,
): boolean {
  if (runner) return false;
  const there = new Set(declaration?.npm.map(packageName));
  return (providers[agent.provider]?.npm ?? []).some((item) => !there.has(packageName(item)));
}
