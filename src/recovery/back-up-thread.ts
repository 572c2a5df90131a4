import { parentPort } from 'node:worker_threads';
import { asBerthError } from '../errors.ts';
import { takeWork } from '../take-work.ts';
import { type BackupEvent, type BackupPlaces, backUp } from './back-up.ts';

const tell = (event: BackupEvent) => parentPort?.postMessage(event);

takeWork<BackupPlaces>((places) => {
  backUp(places, tell).catch((error: unknown) => {
    const { code, message } = asBerthError(error);
    tell({ event: 'failed', code, message });
  });
});
