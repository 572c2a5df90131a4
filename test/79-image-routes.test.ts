import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFastify } from '../src/create-fastify.ts';
import { openGroupRegistry } from '../src/groups/group-registry.ts';
import type { GroupImages } from '../src/images/group-images.ts';
import { addImageRoutes } from '../src/operator/image-routes.ts';
import { silent } from './fixtures/engine-room.ts';

test.each(['/images/build?group=one', '/images/rollback?group=one'])(
  '%s goes by what was saved just before, also while nobody has noticed it yet',
  async (url) => {
    const groupsDir = mkdtempSync(join(tmpdir(), 'berth-routes-'));
    onTestFinished(() => rmSync(groupsDir, { recursive: true }));
    mkdirSync(join(groupsDir, 'one'));
    const save = (image: string) =>
      writeFileSync(join(groupsDir, 'one', 'group.yaml'), `name: One\nimage: ${image}\n`);
    save('{}');
    const groups = await openGroupRegistry({ groupsDir, log: silent, watch: false });
    const asked: string[][] = [];
    const note = async (folder: string) => {
      asked.push(groups.get(folder).group.image.npm);
      return { build: undefined, built: false };
    };
    const images = { build: note, rollback: note } as unknown as GroupImages;
    const server = createFastify({});
    addImageRoutes(server, images, () => groups.reload());

    save('{ npm: [is-odd] }');
    expect((await server.inject({ method: 'POST', url })).statusCode).toBe(200);
    expect(asked).toEqual([['is-odd']]);
  },
);
