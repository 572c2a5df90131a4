import { dirname, join } from 'node:path';
import { BASE_IMAGE } from './base-image.ts';
import type { OwnEngine } from './own-engine.ts';
import type { Platform } from './platform.ts';

interface Given {
  dataDir: string;
  groupsDir: string;
  clock: string;
  platform: Platform;
  engine: OwnEngine;
}

/** Fewer places than sessions, so that some have to wait; and every period short, so that a run sees all of them end. */
const SETTINGS = {
  BERTH_MAX_AWAKE: '16',
  BERTH_START_TIMEOUT: '30s',
  BERTH_STOP_GRACE: '1s',
  BERTH_SEND_TIMEOUT: '2s',
  BERTH_SEND_RETRY: '50ms',
  BERTH_LOOK_PERIOD: '200ms',
  BERTH_HEARTBEAT_LIMIT: '8s',
  BERTH_TURN_GRACE: '3s',
  BERTH_TURN_RETRY_PAUSE: '200ms',
  BERTH_MOST_RESTARTS: '5',
  BERTH_RESTART_WINDOW: '30s',
  BERTH_RETRY_PAUSE: '500ms',
  BERTH_RETRY_PAUSE_LONGEST: '4s',
};

/** The environment of the host's process: settings, and the seams that `docs/reliability.md` tells of. */
export function environmentOf(given: Given): Record<string, string> {
  return {
    ...SETTINGS,
    HOME: process.env.HOME ?? '',
    // It finds no program to make a base image with, which would take minutes of both processors each time it is removed.
    PATH: dirname(process.execPath),
    BERTH_ENGINE: 'docker',
    DOCKER_HOST: `unix://${given.engine.api.socket}`,
    BERTH_BASE_IMAGE: BASE_IMAGE,
    BERTH_DATA_DIR: given.dataDir,
    BERTH_GROUPS_DIR: given.groupsDir,
    BERTH_TEST_CHANNELS: join(import.meta.dirname, 'recording-channels.ts'),
    BERTH_TEST_PLATFORM: given.platform.url,
    BERTH_TEST_CLOCK: given.clock,
  };
}
