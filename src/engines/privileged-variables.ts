/**
 * Variables by which libraries load code or files: those that the C library takes no heed of in a set-user-ID program
 * (its `unsecvars`), and those of the locale, which may name a folder.
 */
const OBEYED_BY_LIBRARIES =
  /^(LD_.*|GLIBC_TUNABLES|MALLOC_.*|GCONV_PATH|GETCONF_DIR|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZDIR|LANG|LANGUAGE|LC_.*)$/;

/**
 * Parts an environment for a command that programs of root start: with `LD_LIBRARY_PATH` they would load what the agent has
 * put there before they have become its user. Pure.
 */
export function partEnvironment(environment: Record<string, string>): {
  /** What they may see. */
  harmless: Record<string, string>;
  /** What only the command itself is to be given, as words of `env`. */
  onlyAsUser: string[];
} {
  const isHarmless = ([name]: [string, string]) => !OBEYED_BY_LIBRARIES.test(name);
  const all = Object.entries(environment);
  return {
    harmless: Object.fromEntries(all.filter(isHarmless)),
    onlyAsUser: all.filter((one) => !isHarmless(one)).map(([name, value]) => `${name}=${value}`),
  };
}
