import type { ContainerLabels } from './engine.ts';

/** Label that bears the install; the one by which the engine is asked for our containers. */
export const INSTALL_LABEL = 'berth.install';

/** The labels as the engine keeps them. */
export function toEngineLabels(labels: ContainerLabels): Record<string, string> {
  return {
    [INSTALL_LABEL]: labels.install,
    'berth.group': labels.group,
    'berth.session': labels.session,
    'berth.epoch': String(labels.epoch),
    'berth.spec': labels.spec,
  };
}

/** The labels read back; undefined when the container is none of ours. A missing epoch counts as 0, older than any. */
export function fromEngineLabels(found: Record<string, string> | undefined): ContainerLabels | undefined {
  const install = found?.[INSTALL_LABEL];
  if (!found || install === undefined) return undefined;
  const epoch = Number(found['berth.epoch']);
  return {
    install,
    group: found['berth.group'] ?? '',
    session: found['berth.session'] ?? '',
    epoch: Number.isSafeInteger(epoch) ? epoch : 0,
    spec: found['berth.spec'] ?? '',
  };
}
