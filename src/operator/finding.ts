/** What one check of `berth doctor` has found. */
export interface Finding {
  check: string;
  /** `warn`: it works, but not as well as it could, or not for long. */
  state: 'ok' | 'warn' | 'fail';
  says: string;
  /** What to do about it; `null` where nothing is to be done. */
  remedy: string | null;
}

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says, remedy: null };
}

export function warn(check: string, says: string, remedy: string): Finding {
  return { check, state: 'warn', says, remedy };
}

export function fail(check: string, says: string, remedy: string): Finding {
  return { check, state: 'fail', says, remedy };
}
