import { asBerthError, type ErrorCode } from '../errors.ts';
import type { PackageVersions, ProvenBuild } from '../ledger/builds.ts';
import { readAptItem } from './apt-item.ts';
import type { BuildEvent } from './build-events.ts';
import type { BuildAsk, BuiltGroup, GroupImages } from './group-images.ts';
import { imageTag } from './image-spec.ts';
import { readNpmItem } from './npm-item.ts';

/** How the build of a group's image ended well. */
export interface GroupDone {
  event: 'done';
  group: string;
  /** Its name; `null`: nothing is declared, and the base image serves. */
  image: string | null;
  id: string | null;
  /** Bytes. */
  size: number | null;
  /** The declared packages with the versions that were installed. */
  packages: PackageVersions;
  /** False: it was there already. */
  built: boolean;
  tookMs: number;
}

/** How it ended otherwise: the group stays on the image that it has. */
export interface GroupFailed {
  event: 'failed';
  group: string;
  code: ErrorCode;
  message: string;
}

/** What an operator who builds images is told; on the operator's socket a line of JSON each. */
export type GroupEvent = (BuildEvent & { group: string }) | GroupDone | GroupFailed;

/** Builds the images of groups, as many side by side as the host allows. Never throws: a failure is an event. */
export async function buildGroups(
  images: Pick<GroupImages, 'build'>,
  folders: string[],
  ask: Omit<BuildAsk, 'onEvent'>,
  onEvent: (event: GroupEvent) => void,
): Promise<void> {
  await Promise.all(
    folders.map(async (group) => {
      const started = performance.now();
      try {
        const built = await images.build(group, { ...ask, onEvent: (event) => onEvent({ ...event, group }) });
        onEvent(describeDone(group, built, performance.now() - started));
      } catch (error) {
        const { code, message } = asBerthError(error, 'E_IMAGE_BUILD');
        onEvent({ event: 'failed', group, code, message });
      }
    }),
  );
}

/** The last event of a group that has an image now. */
export function describeDone(group: string, { build, built }: BuiltGroup, tookMs: number): GroupDone {
  return {
    event: 'done',
    group,
    image: build ? imageTag(build.hash) : null,
    id: build?.image ?? null,
    size: build?.size ?? null,
    packages: build ? declaredVersions(build) : { apt: {}, npm: {} },
    built,
    tookMs: Math.round(tookMs),
  };
}

/** Of all that is inside, what the group has asked for. A name that others provide has no version of its own. */
export function declaredVersions({ declaration, packages }: ProvenBuild): PackageVersions {
  const pick = (names: string[], versions: Record<string, string>) =>
    Object.fromEntries(names.map((name) => [name, versions[name] ?? 'provided by another package']));
  const nameOf = (item: { name: string } | { problem: string }) => ('name' in item ? item.name : '');
  return {
    apt: pick(declaration.apt.map(readAptItem).map(nameOf), packages.apt),
    npm: pick(declaration.npm.map(readNpmItem).map(nameOf), packages.npm),
  };
}
