import { WAY_OUT_OVER_NETWORK, WAY_OUT_VARIABLE } from '../contract/way-out.ts';
import { isAllowed } from './allow-list.ts';
import type { AwakeSession } from './awake/awake-session.ts';
import type { Config } from './config.ts';
import type { Engine } from './engines/engine.ts';
import type { Group } from './groups/group.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import type { Logger } from './log.ts';
import { createResolveName } from './network/resolve-name.ts';
import { authorityOf, type Target } from './network/target.ts';
import type { TrafficBook } from './network/traffic-book.ts';
import { createTrafficBook } from './network/traffic-book.ts';
import type { Gateway, Verdict } from './network/verdict.ts';
import { createWaysOut, type WaysOut } from './network/ways-out.ts';
import type { ReleaseStack } from './release-stack.ts';

interface Dependencies {
  dataDir: string;
  engine: Engine;
  config: Pick<Config, 'dns' | 'wayOut'>;
  clock: { now(): number };
  groups: GroupRegistry;
  /** The credentials gateway that a group's requests go through, as far as it is known. */
  gatewayOf(folder: string): Gateway | undefined;
  log: Logger;
  releases: ReleaseStack;
}

interface Wired {
  /** What a wake asks for, and over what. */
  openings: {
    openWayOut: WaysOut['open'];
    openWayOutAt: WaysOut['openAt'];
    wayOutKind: 'socket' | 'network';
  };
  traffic: TrafficBook['lines'];
  /** The way out of a session's container, should it lead over a network, ends with it. */
  closeWithIt(session: AwakeSession): void;
  /** A container that an earlier host left gets its way out again. */
  reopen(session: AwakeSession): void;
}

/** The ways out of containers that have no network: opened by wakes, judged by what each group declares at the time. */
export function wireNetwork(deps: Dependencies): Wired {
  const { dataDir, groups, log, clock, releases, config, engine } = deps;
  const book = createTrafficBook({ now: clock.now, log });
  const judge = (folder: string, target: Target) =>
    judgeFor(groups.list().find((entry) => entry.folder === folder)?.group, target, deps.gatewayOf(folder));
  const waysOut = createWaysOut({ dataDir, resolve: createResolveName(config.dns), book, judge, log });
  releases.add('ways out', () => waysOut.close());
  const onChange = (folder: string, group: Group | undefined) => {
    waysOut.recheck(folder);
    if (!group) book.forget(folder);
  };
  releases.add('network edits', groups.onChange(onChange));
  // Child processes have no networks of their own.
  const wayOutKind = engine.contains ? config.wayOut : 'socket';
  const openings = { openWayOut: waysOut.open, openWayOutAt: waysOut.openAt, wayOutKind };
  return { openings, traffic: book.lines, closeWithIt, reopen: (session) => void reopen(session) };

  function closeWithIt(session: AwakeSession): void {
    void session.over.promise.then(() => waysOut.closeAt(session.container));
  }

  async function reopen({ id, container, group, spec }: AwakeSession): Promise<void> {
    if (spec?.environment[WAY_OUT_VARIABLE] !== WAY_OUT_OVER_NETWORK[WAY_OUT_VARIABLE]) return;
    try {
      const network = await engine.networkOf(container);
      if (network) await waysOut.openAt(container, group.folder, network);
    } catch (error) {
      log.error({ err: error, session: id }, 'the way out of a container could not be opened again');
    }
  }
}

/** @param known the gateway, which counts only where the group uses it. Pure. */
export function judgeFor(group: Group | undefined, target: Target, known: Gateway | undefined): Verdict {
  if (!group) return { way: 'refused', reason: 'the group is gone' };
  const { network, credentials } = group;
  const use = typeof credentials === 'object' && 'onecli' in credentials ? credentials.onecli : undefined;
  const gateway = use && known;
  // Before the list: whoever named the gateway wants it to be reached.
  if (gateway && authorityOf(gateway.target) === authorityOf(target)) return { way: 'to-gateway', gateway };
  if (network === 'internet' || (network !== 'none' && isAllowed(network.allow, target))) {
    if (gateway) return { way: 'through-gateway', gateway };
    return use === 'required'
      ? { way: 'refused', reason: 'the credentials gateway, which the group requires, has not answered yet' }
      : { way: 'direct' };
  }
  const reason =
    network === 'none'
      ? 'the group has no network (network: none in its group.yaml)'
      : `${authorityOf(target)} is not in network.allow of the group's group.yaml`;
  return { way: 'refused', reason };
}
