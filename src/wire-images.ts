import type { AwakeSessions } from './awake/awake-session.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import type { GroupImages } from './images/group-images.ts';
import { openGroupImages } from './images/open-group-images.ts';
import type { ReleaseStack } from './release-stack.ts';

type Dependencies = Omit<Parameters<typeof openGroupImages>[0], 'folders' | 'onSwitched'> & {
  awake: AwakeSessions;
  groups: GroupRegistry;
  releases: ReleaseStack;
};

/** What groups' containers start from; built anew when a group declares other packages. */
export function wireImages({ awake, groups, releases, ...deps }: Dependencies): GroupImages {
  const images = openGroupImages({
    ...deps,
    folders: () => groups.list().map(({ folder }) => folder),
    onSwitched(folder) {
      for (const session of awake.all()) session.outdated ||= session.group.folder === folder;
    },
  });
  releases.add('images', () => images.close());
  releases.add('declarations', groups.onChange(images.groupChanged));
  return images;
}
