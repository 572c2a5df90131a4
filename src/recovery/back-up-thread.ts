import { parentPort, workerData } from 'node:worker_threads';
import { asBerthError } from '../errors.ts';
import { type BackupEvent, type BackupPlaces, backUp } from './back-up.ts';

const tell = (event: BackupEvent) => parentPort?.postMessage(event);

await backUp(workerData as BackupPlaces, tell).catch((error: unknown) => {
  const { code, message } = asBerthError(error);
  tell({ event: 'failed', code, message });
});
