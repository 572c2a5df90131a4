/** How many uids from `BERTH_UID_BASE` on are called `agent` in an image: as many groups as a host may have. */
export const UIDS = 1000;

/**
 * Lines for `/etc/passwd` and `/etc/group` by which every uid that a container may run as is called `agent` and has its
 * home in `/home/agent`: 1000, the host's own, and one per group from `uidBase` on.
 */
export function agentAccounts(
  uidBase: number,
  own: { uid: number; gid: number },
): { passwd: string; group: string } {
  const perGroup = Array.from({ length: UIDS }, (_, index) => uidBase + index);
  const withOwn = (id: number) => [...new Set([1000, ...(id === 0 ? [] : [id]), ...perGroup])];
  const gidOf = (uid: number) => (uid === own.uid && uid !== 0 ? own.gid : uid);
  return {
    passwd: withOwn(own.uid)
      .map((uid) => `agent:x:${uid}:${gidOf(uid)}::/home/agent:/bin/sh\n`)
      .join(''),
    group: withOwn(own.gid)
      .map((gid) => `agent:x:${gid}:\n`)
      .join(''),
  };
}
