import { expect, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { runBerth } from './fixtures/berth-command.ts';

test('the engine of these tests answers, has the base image and can pause', async () => {
  const { where: DOCKER_HOST, close } = connectDocker(process.env.DOCKER_HOST);
  close();
  const { BERTH_TEST_IMAGE = '' } = process.env;
  const groups = new URL('../groups', import.meta.url).pathname;
  const env = { DOCKER_HOST, BERTH_DATA_DIR: '/nonexistent/berth', BERTH_GROUPS_DIR: groups };
  const states = async (image: string) => {
    const { stdout } = await runBerth(['doctor'], { env: { ...env, BERTH_BASE_IMAGE: image } });
    const rows = stdout.split('\n').map((line) => line.split('\t'));
    return Object.fromEntries(rows.map(([check = '', state = '']) => [check, state]));
  };
  expect(await states(BERTH_TEST_IMAGE)).toMatchObject({ engine: 'ok', 'base image': 'ok', freezing: 'ok' });
  expect(await states('berth-base:absent')).toMatchObject({ engine: 'ok', 'base image': 'warn' });
});
