import { isDeepStrictEqual } from 'node:util';
import { asBerthError, BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import type { Group } from './group.ts';
import { type LoadedGroup, loadGroups } from './load-groups.ts';
import type { ParseContext } from './parse-group.ts';
import { watchGroups } from './watch-groups.ts';

/** A group as it stands. Without `group` there never was a good version; with both, the last good one is in force. */
export interface GroupEntry {
  folder: string;
  group?: Group | undefined;
  error?: BerthError | undefined;
}

/** Called after a good change; `group` is `undefined` when its folder or file is gone. */
export type GroupListener = (folder: string, group: Group | undefined) => void;

export interface RegistryDependencies extends Omit<ParseContext, 'folder' | 'file'> {
  groupsDir: string;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** False for a command that looks once. */
  watch?: boolean;
  settleMs?: number | undefined;
  lookMs?: number | undefined;
}

/**
 * Reads all groups and keeps them current until closed.
 * @throws E_CONFIG when the groups folder cannot be read. A group that is wrong is an entry, not an error.
 */
export async function openGroupRegistry(dependencies: RegistryDependencies): Promise<GroupRegistry> {
  const registry = new GroupRegistry(dependencies);
  await registry.reload();
  if (dependencies.watch !== false) await registry.watch();
  return registry;
}

/** The groups that the host knows: of each the last good version, and what is wrong with the present file. */
export class GroupRegistry {
  readonly #dependencies: RegistryDependencies;
  readonly #listeners = new Set<GroupListener>();
  #loaded = new Map<string, LoadedGroup>();
  #entries = new Map<string, GroupEntry>();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #trouble: string | undefined;
  #release: Release = () => {};

  constructor(dependencies: RegistryDependencies) {
    this.#dependencies = dependencies;
  }

  /** @throws E_GROUP_UNKNOWN; E_GROUP_CONFIG when there never was a good version. */
  get(folder: string): GroupEntry & { group: Group } {
    const entry = this.#entries.get(folder);
    if (entry?.group) return { ...entry, group: entry.group };
    throw (
      entry?.error ??
      new BerthError('E_GROUP_UNKNOWN', `there is no group ${JSON.stringify(folder.slice(0, 80))}`)
    );
  }

  /** All groups, those that cannot be used included, by folder name. */
  list(): GroupEntry[] {
    return [...this.#entries.values()].toSorted((one, other) => (one.folder < other.folder ? -1 : 1));
  }

  /** The listener hears of every good change of a `group.yaml` and of every change of an `AGENTS.md`, until released. */
  onChange(listener: GroupListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once everything that was saved before the call is in force. @throws E_CONFIG as at the start. */
  reload(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const load = this.#load();
      this.#running = load.catch(() => {});
      return load;
    });
    return this.#next;
  }

  async watch(): Promise<void> {
    const { groupsDir, settleMs, lookMs } = this.#dependencies;
    const onLook = () => void this.reload().catch((error) => this.#report(error));
    const onError = (error: unknown) => this.#report(watchError(error));
    this.#release = await watchGroups({ groupsDir, onLook, onError, settleMs, lookMs });
    await this.reload(); // what was saved before the watch stood
  }

  /** Stops watching and waits for a load that is under way; the entries stay as they are. */
  async close(): Promise<void> {
    await this.#release();
    await this.#next?.catch(() => {}); // asked for just before, and reported there
    await this.#running;
  }

  async #load(): Promise<void> {
    const { groupsDir, ...context } = this.#dependencies;
    const before = this.#loaded;
    const loaded = await loadGroups(groupsDir, context, before);
    this.#loaded = loaded;
    this.#trouble = undefined;
    for (const [folder, now] of loaded) this.#take(now, before.get(folder));
    for (const folder of before.keys()) if (!loaded.has(folder)) this.#drop(folder);
  }

  #take(now: LoadedGroup, before: LoadedGroup | undefined): void {
    const { folder, outcome, instructions } = now;
    const entry = this.#entries.get(folder);
    const error = 'error' in outcome ? outcome.error : undefined;
    const group = 'group' in outcome ? outcome.group : entry?.group;
    this.#entries.set(folder, { folder, group, error });
    this.#tell(folder, { group, error }, entry);
    const instructed = before?.instructions !== instructions;
    if (group && (instructed || !isDeepStrictEqual(group, entry?.group))) this.#announce(folder, group);
  }

  #tell(folder: string, { group, error }: Omit<GroupEntry, 'folder'>, entry: GroupEntry | undefined): void {
    const { log } = this.#dependencies;
    if (error && error.message !== entry?.error?.message) {
      log.warn({ code: error.code, group: folder, lastGoodInForce: group !== undefined }, error.message);
    }
    if (!error && entry?.error) log.info({ group: folder }, 'group.yaml is valid again');
  }

  #drop(folder: string): void {
    const had = this.#entries.get(folder)?.group;
    this.#entries.delete(folder);
    this.#dependencies.log.info({ group: folder }, 'the group is gone');
    if (had) this.#announce(folder, undefined);
  }

  #announce(folder: string, group: Group | undefined): void {
    for (const listener of this.#listeners) {
      try {
        listener(folder, group);
      } catch (error) {
        // The others have a right to hear of it.
        this.#report(error);
      }
    }
  }

  /** Into the log, once for each trouble: there is nobody to throw it at. */
  #report(error: unknown): void {
    const { code, message } = asBerthError(error);
    if (message === this.#trouble) return;
    this.#trouble = message;
    this.#dependencies.log.error({ code, err: error }, message);
  }
}

/** Not as any other ENOSPC: with inotify that means too many watches, and no full disk. */
function watchError(error: unknown): BerthError {
  const message = `watching the groups folder failed, so changes are found by timer only: ${(error as Error).message}`;
  return new BerthError('E_INTERNAL', message, error);
}
