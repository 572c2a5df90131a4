import { prepareCheck } from '../ledger/check-ledger.ts';
import { prepareWriter } from './writer.ts';

/** The ledger's threads load beside the host: on its way to be ready nothing takes longer than loading. */
export function prepareThreads(): void {
  prepareCheck();
  prepareWriter();
}
